package sys_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

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

// headless is set for a process that goes on without its first thread from the first byte of its standard input to its end, and has its standard output open until then.
const headless = "MOSS_TEST_HEADLESS"

// While packages are initialised, the first thread runs.
var _ = func() error {
	if os.Getenv(headless) == "" {
		return nil
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		time.Sleep(100 * time.Millisecond) // so that there is something to wait for
		os.Exit(0)
	}()
	_, _, err := syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	return err
}()

// Of a process whose first thread is gone, others may still have its files.
func TestTheEndOfAProcessIsThatOfAllItsThreads(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), headless+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	write.Close()
	p, err := sys.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	for p.Alive() {
		time.Sleep(time.Millisecond)
	}
	in.Close()
	if err := p.AwaitEnd(time.Minute); err != nil {
		t.Fatal(err)
	}
	raw, err := read.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var readErr error
	if err := raw.Control(func(fd uintptr) { _, readErr = syscall.Read(int(fd), make([]byte, 1)) }); err != nil || readErr != nil {
		t.Errorf("its files are open: %v, %v", err, readErr)
	}
	if err := (sys.Process{Pid: p.Pid, StartTime: p.StartTime + 1}).AwaitEnd(0); err != nil {
		t.Error(err)
	}
}

func TestWhoWasKilledIsDoomed(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := sys.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if p.Doomed() || (sys.Process{Pid: p.Pid, StartTime: p.StartTime + 1}).Doomed() {
		t.Error("one that lives is")
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if p.Doomed() {
		t.Error("one that was stopped is")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for alive := true; alive; alive = p.Alive() {
		if !p.Doomed() {
			t.Error("it is not")
		}
	}
	_ = cmd.Wait() // it was killed
	if p.Doomed() {
		t.Error("nobody is")
	}
}

func TestTheFirstThreadGoesNowhere(t *testing.T) {
	for range 200 {
		err := sys.OnThread(func() error {
			if os.Getpid() == syscall.Gettid() {
				return errors.New("it is the first thread")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
