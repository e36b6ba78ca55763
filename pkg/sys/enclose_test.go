package sys

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A process that a hostile file has taken over can do nothing but work in its directory.
func TestAnEnclosedProcessReachesNothing(t *testing.T) {
	const child, name = "MOSS_TEST_ENCLOSED", "^TestAnEnclosedProcessReachesNothing$"
	switch {
	case os.Getenv(child) != "":
		tryAll(t)
		return
	case os.Getuid() != 0:
		cmd := exec.Command("/proc/self/exe", "-test.run="+name)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	var out, said bytes.Buffer
	cmd := exec.Command("/proc/self/exe", "-test.run="+name)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = t.TempDir(), strings.NewReader(""), &out, &said
	cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=asyncpreemptoff=1", "TMPDIR=/")
	if err := RunEnclosed(cmd); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &said)
	}
	var could []string
	if err := json.NewDecoder(&out).Decode(&could); err != nil {
		t.Fatal(err)
	}
	if len(could) != 0 {
		t.Errorf("it could %s", strings.Join(could, ", "))
	}
}

// tryAll says what the process can do that it should not.
func tryAll(t *testing.T) {
	if err := Enclose(Bounds{Memory: 1 << 30, File: 1 << 20, Seconds: 60}); err != nil {
		t.Fatal(err)
	}
	tries := map[string]func() error{
		"read the host's files": func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"leave by ..":           func() error { _, err := os.ReadDir("../../etc"); return err },
		"see processes":         func() error { _, err := os.ReadDir("/proc"); return err },
		"change its root again": func() error { return unix.Chroot("/") },
		"execute":               func() error { return exec.Command("/proc/self/exe").Run() },
		"open a socket":         func() error { _, err := net.Dial("udp", "127.0.0.1:9"); return err },
		"send a signal":         func() error { return unix.Kill(unix.Getppid(), 0) },
		"signal a thread":       func() error { return unix.Tgkill(unix.Getppid(), unix.Getppid(), 0) },
		"make a process": func() error {
			_, err := syscall.ForkExec("/none", nil, &syscall.ProcAttr{})
			if errors.Is(err, unix.ENOENT) { // the child has looked for the program
				return nil
			}
			return err
		},
		"make a namespace":   func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"mount":              func() error { return unix.Mount("none", "/", "tmpfs", 0, "") },
		"make a device":      func() error { return unix.Mknod("/null", unix.S_IFCHR|0o666, 0x103) },
		"write a large file": func() error { return os.WriteFile("/large", make([]byte, 2<<20), 0o600) },
	}
	could := []string{}
	if err := os.WriteFile("/small", []byte("x"), 0o600); err != nil {
		could = append(could, "not write a file: "+err.Error())
	}
	for what, try := range tries {
		if try() == nil {
			could = append(could, what)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(could); err != nil {
		t.Fatal(err)
	}
}
