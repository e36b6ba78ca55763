package server_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/network/dns/server"
	"github.com/mosscontainers/moss/pkg/sys"
)

// TestMain runs the tests as root of a user namespace of an unprivileged user, MOSS_TEST_USER or mosstest, in which the "host"
// is a network namespace with nothing but a loopback interface, and /etc is ours. This program is also the others that
// the tests need.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == "moss-dns":
		os.Exit(server.Main())
	case len(os.Args) == 2 && os.Args[1] == "container":
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends with its standard input
		os.Exit(0)
	case os.Getenv("MOSS_TEST_INSIDE") != "":
		if err := prepare(); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	os.Exit(unprivileged())
}

func prepare() error {
	if err := sys.LoopbackUp(); err != nil {
		return err
	}
	return syscall.Mount("tmpfs", "/etc", "tmpfs", 0, "mode=755")
}

// unprivileged runs this program again.
func unprivileged() int {
	dir, err := os.MkdirTemp("", "moss-dns")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "test")
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, data, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		panic(err)
	}
	args := []string{"--map-auto", "--map-root-user", "--mount", "--net", program}
	// Another user may not write the go command's file.
	args = append(args, slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile=") })...)
	cmd := exec.Command("unshare", args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = os.Stdout, os.Stderr, "/"
	cmd.Env = append(os.Environ(), "MOSS_TEST_INSIDE=1", "TMPDIR=/tmp")
	if os.Getuid() == 0 {
		become(cmd)
	}
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func become(cmd *exec.Cmd) {
	name := os.Getenv("MOSS_TEST_USER")
	if name == "" {
		name = "mosstest"
	}
	id := func(flag string) uint32 {
		out, err := exec.Command("id", flag, name).Output()
		if err != nil {
			panic("cannot find the user " + name + ": set MOSS_TEST_USER")
		}
		n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
		return uint32(n)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id("-u"), Gid: id("-g")}}
	cmd.Env = append(cmd.Env, "USER="+name, "LOGNAME="+name)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for something that the kernel or another process does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("still waiting for: %s", what)
}
