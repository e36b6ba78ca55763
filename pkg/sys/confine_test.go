package sys

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A server that somebody has taken over gets no capabilities by a new user namespace, whichever call is to make one.
func TestAConfinedServerMakesNoNamespaces(t *testing.T) {
	const child = "MOSS_TEST_CONFINED"
	if os.Getenv(child) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestAConfinedServerMakesNoNamespaces$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	if err := Confine(); err != nil {
		t.Fatal(err)
	}
	clone := func(nr, flags uintptr) error {
		pid, _, e := unix.RawSyscall6(nr, flags, 0, 0, 0, 0, 0)
		switch {
		case e != 0:
			return e
		case pid == 0:
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		_, err := syscall.Wait4(int(pid), nil, 0, nil)
		return err
	}
	for name, try := range map[string]struct {
		err  error
		want error
	}{
		"clone":                  {clone(unix.SYS_CLONE, uintptr(syscall.SIGCHLD)), nil},
		"clone of a namespace":   {clone(unix.SYS_CLONE, uintptr(syscall.SIGCHLD)|unix.CLONE_NEWUSER), unix.EPERM},
		"clone3":                 {clone(unix.SYS_CLONE3, 0), unix.ENOSYS},
		"unshare of a namespace": {unix.Unshare(unix.CLONE_NEWUSER), unix.EPERM},
	} {
		if !errors.Is(try.err, try.want) {
			t.Errorf("%s: %v, want %v", name, try.err, try.want)
		}
	}
}
