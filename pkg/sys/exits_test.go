package sys_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// watched starts a process that sleeps, and opens it.
func watched(t *testing.T) (*exec.Cmd, *os.File) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	pidfd, err := sys.OpenPidfd(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, pidfd
}

func TestTheEndOfAnyProcessEndsTheWait(t *testing.T) {
	_, one := watched(t)
	cmd, two := watched(t)
	exits, err := sys.WatchExits(one, two)
	if err != nil {
		t.Fatal(err)
	}
	defer exits.Close()
	ended := make(chan error, 1)
	go func() { ended <- exits.Wait() }()
	select {
	case err := <-ended:
		t.Fatal("both live, but the wait ended:", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestClosingEndsTheWait(t *testing.T) {
	_, one := watched(t)
	exits, err := sys.WatchExits(one)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- exits.Wait() }()
	exits.Close()
	if err := <-ended; err == nil {
		t.Error("a process ended")
	}
}
