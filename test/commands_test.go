package test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a story waits for what has to happen: far longer than it takes.
const patience = 2 * time.Minute

// commands are what scripts have besides testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":        exits,
	"until":        until,
	"registry":     startRegistry,
	"cutting":      startCutting,
	"silent":       startSilent,
	"freeport":     freePort,
	"web":          startWeb,
	"tty":          runOnTerminal,
	"snapshot":     takeSnapshot,
	"unchanged":    compareSnapshot,
	"nothing-left": nothingLeft,
	"leaves":       leaves,
	"trim":         trim,
	"sigstore-key": sigstoreKey,
	"estargz":      toStargz,
}

// exits CODE PROGRAM ARG...: the program ends with just this exit code. stdout and stderr then look at
// what it printed.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := run(ts, args[1:])
	ts.Check(err)
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// run runs a program of the script's PATH, hands its output to stdout and stderr, and returns its exit code.
func run(ts *testscript.TestScript, args []string) (code int, err error) {
	var out, errOut bytes.Buffer
	cmd, err := command(ts, args)
	if err != nil {
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	ts.Stdout().Write(out.Bytes())
	ts.Stderr().Write(errOut.Bytes())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// command is a program as the script would run it: in its directory, with its environment.
func command(ts *testscript.TestScript, args []string) (*exec.Cmd, error) {
	// The shell looks the program up in the script's PATH; what hangs is a failure and not a hung test.
	shell := []string{"-c", `exec timeout --foreground -s KILL 120 "$@"`, "sh"}
	cmd := exec.Command("/bin/sh", append(shell, args...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	cmd.WaitDelay = time.Second
	return cmd, nil
}

// environment is the script's: testscript tells values only one by one.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"HOME", "XDG_RUNTIME_DIR", "TMPDIR", "CONTAINERS_STORAGE_CONF", "PATH", "LANG", "TERM", "MOSS_LINGER", "MOSS_DOZE", "MOSS_PATIENCE", "STORE",
		"BUSYBOX", "REGISTRY", "REGISTRY_AUTH_FILE", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_POLICY_JSON", "GNUPGHOME", "DOCKER_CONFIG", "PORT", "HOSTIP",
	} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// until REGEXP PROGRAM ARG...: run the program again and again, until what it prints matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARG...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out []byte
	err = eventually(func() error {
		cmd, err := command(ts, args[1:])
		if err != nil {
			return err
		}
		out, err = cmd.CombinedOutput()
		if !want.Match(out) {
			return fmt.Errorf("%s never printed %q but (%v):\n%s", strings.Join(args[1:], " "), args[0], err, out)
		}
		return nil
	})
	ts.Check(err)
	ts.Stdout().Write(out)
}

// eventually calls check until it returns nil, and after some patience its last error.
func eventually(check func() error) error {
	deadline := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := check()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// trim VARIABLE FILE: sets the variable to a file's content (or that of stdout) without white space around it.
func trim(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: trim VARIABLE FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
