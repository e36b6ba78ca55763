package sys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
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
