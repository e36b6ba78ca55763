package sys

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// maker makes TestBirth what forks; its value says which birth.
const maker = "MOSS_TEST_MAKER"

var errOfLimit = errors.New("no such limit")

var births = map[string]func(b *Birth) error{
	"program": func(b *Birth) error {
		b.Rlimit(syscall.RLIMIT_NOFILE, 64, 64, nil)
		b.NoNewPrivs()
		files := []string{"/nowhere/sh", "/etc/passwd/sh", "/etc/passwd", "/bin/sh"}
		return b.Program(files, []string{"sh", "-c", `echo $OWN $$ $(ulimit -n) >&2; exit 7`}, []string{"A=b", "OWN=12345678901234", "PATH=/bin"}, "OWN")
	},
	"call fails": func(b *Birth) error {
		b.Rlimit(1000, 1, 1, func(err error) error { return fmt.Errorf("%w: %w", errOfLimit, err) })
		return b.Program([]string{"/bin/true"}, []string{"true"}, nil, "")
	},
	"nothing to execute": func(b *Birth) error {
		return b.Program([]string{"/nowhere", "/etc/passwd/x", "/etc/passwd"}, []string{"x"}, nil, "")
	},
	"monitor has gone": func(b *Birth) error {
		ours, theirs, err := SocketPair()
		if err != nil {
			return err
		}
		theirs.Close()
		b.DieWithParent(ours, errOfLimit)
		return b.Program([]string{"/bin/true"}, []string{"true"}, nil, "")
	},
	"never born": func(b *Birth) error { return b.Program([]string{"/bin/true"}, []string{"true"}, nil, "") },
}

func TestBirth(t *testing.T) {
	if name := os.Getenv(maker); name != "" {
		makeBirth(t, name)
		return
	}
	for name, want := range map[string]struct {
		maker  string // what it says
		born   string // what the process does, %d is its id
		status syscall.WaitStatus
	}{
		"program":            {"[] <nil>\n", "%d %[1]d 64\n", 7 << 8},
		"call fails":         {"[] no such limit: invalid argument\n", "", 1 << 8},
		"nothing to execute": {"[no such file or directory not a directory permission denied] <nil>\n", "", 1 << 8},
		"monitor has gone":   {"[] no such limit\n", "", 1 << 8},
		"never born":         {"", "", 1 << 8},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestBirth$")
			cmd.Env = append(os.Environ(), maker+"="+name)
			var born strings.Builder
			cmd.Stderr = &born
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			said := bufio.NewReader(out)
			var pid int
			if _, err := fmt.Fscanln(said, &pid); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(said)
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // one of them is killed
			if string(rest) != want.maker {
				t.Errorf("the maker said %q, want %q", rest, want.maker)
			}
			wanted := want.born
			if wanted != "" {
				wanted = fmt.Sprintf(wanted, pid)
			}
			if born.String() != wanted {
				t.Errorf("it said %q, want %q", &born, wanted)
			}
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || status != want.status { // it is our child, not the maker's
				t.Errorf("its status is %#x (%v), want %#x", status, err, want.status)
			}
		})
	}
}

// TestNoParentIsAnError has a process find out that its parent has gone.
func TestNoParentIsAnError(t *testing.T) {
	if os.Getenv(maker) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestNoParentIsAnError$") // which is killed when the thread ends that starts it
		cmd.Env = append(os.Environ(), maker+"=1")
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	ours, theirs, err := SocketPair()
	if err != nil {
		t.Fatal(err)
	}
	alive := &Birth{}
	alive.DieWithParent(ours, errOfLimit)
	if err := alive.Do(); err != nil {
		t.Errorf("got %v while the other end is open", err)
	}
	theirs.Close()
	gone := &Birth{}
	gone.DieWithParent(ours, errOfLimit)
	if err := gone.Do(); !errors.Is(err, errOfLimit) {
		t.Errorf("got %v when the other end was closed", err)
	}
}

func makeBirth(t *testing.T, name string) {
	runtime.LockOSThread()
	b := &Birth{}
	b.NewSession()
	err := births[name](b)
	if err == nil {
		err = errors.Join(UnblockSignals(), DefaultSignals())
	}
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.Fork(3, name == "never born")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(u.Pid)
	if name == "never born" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	_ = Elsewhere(func() error {
		fmt.Println(u.Bear())
		return nil
	})
	os.Exit(0)
}
