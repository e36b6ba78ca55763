package sys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/mosscontainers/moss/pkg/sys"
)

func TestAProcessThatIsNotThereIsDone(t *testing.T) {
	if _, err := (sys.Process{}).Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("one that never was: %v", err)
	}
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil || len(threads) < 2 {
		t.Fatalf("threads: %v, %v", threads, err)
	}
	thread, err := strconv.Atoi(filepath.Base(threads[len(threads)-1]))
	if err != nil {
		t.Fatal(err)
	}
	self, err := sys.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	recycled := sys.Process{Pid: thread, StartTime: self.StartTime - 1, BootID: self.BootID}
	if _, err := recycled.Open(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("one whose number is a thread's now: %v", err)
	}
}

// TestAProcessOfWhichNothingCanBeReadIsAlive has a caller without a descriptor to spare, who must not take others for dead.
func TestAProcessOfWhichNothingCanBeReadIsAlive(t *testing.T) {
	self, err := sys.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dead := self
	dead.Pid = 1 << 22 // PID_MAX_LIMIT
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	alive, gone := self.Alive(), !dead.Alive()
	_, openErr := self.Open()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if !alive || !gone || !errors.Is(openErr, syscall.EMFILE) {
		t.Errorf("alive: %v, another gone: %v, open: %v", alive, gone, openErr)
	}
}
