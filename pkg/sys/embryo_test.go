package sys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// conceiver makes TestAnEmbryoIsBorn what conceives one; its value says which of births it goes through.
const conceiver = "MOSS_TEST_CONCEIVER"

func TestAnEmbryoIsBorn(t *testing.T) {
	if name := os.Getenv(conceiver); name != "" {
		conceive(t, name)
		return
	}
	if !canConceive {
		t.Skip("for other processors there is none")
	}
	for name, want := range map[string]struct{ maker, born, status string }{
		"program":            {"[] <nil>", "%d %[1]d 64\n", "exit status 7"},
		"call fails":         {"[] no such limit: invalid argument", "", "exit status 1"},
		"nothing to execute": {"[no such file or directory not a directory permission denied] <nil>", "", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestAnEmbryoIsBorn$")
			cmd.Env = append(os.Environ(), conceiver+"="+name)
			var born strings.Builder
			cmd.Stderr = &born
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var pid int
			if _, err := fmt.Sscan(string(out), &pid); err != nil {
				t.Fatal(err)
			}
			if got, want := string(out), fmt.Sprintf("%d\n%s\n%s\n1 <nil>\n", pid, want.maker, want.status); got != want {
				t.Errorf("the maker said %q, want %q", got, want)
			}
			wanted := want.born
			if wanted != "" {
				wanted = fmt.Sprintf(wanted, pid)
			}
			if born.String() != wanted {
				t.Errorf("it said %q, want %q", &born, wanted)
			}
		})
	}
}

// conceive writes the process's id, what Bear returns, how the process ended, and whether this process is dumpable.
func conceive(t *testing.T, name string) {
	runtime.LockOSThread()
	e, err := Conceive(0, "moss-test")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(e.Pid)
	if name == "never born" {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	b := &Birth{}
	if err := births[name](b); err != nil {
		t.Fatal(err)
	}
	own := &Birth{}
	own.Descriptors([]*os.File{moved(t, os.Stdin), moved(t, os.Stdout), moved(t, os.Stderr)})
	own.IDs(65534, 65534, nil, func(err error) error { return err })
	b.After(own)
	fmt.Println(e.Bear(b))
	status, err := (&Child{Pid: e.Pid}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("exit status", status.ExitStatus())
	e.Forget()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println(dumpable, err)
	os.Exit(0)
}

func moved(t *testing.T, f *os.File) *os.File {
	t.Helper()
	f, err := MoveFrom(f, 10)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAnEmbryoEndsWithItsMaker kills who has conceived one that waits.
func TestAnEmbryoEndsWithItsMaker(t *testing.T) {
	if !canConceive {
		t.Skip("for other processors there is none")
	}
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAnEmbryoIsBorn$")
	cmd.Env = append(os.Environ(), conceiver+"=never born")
	out, _ := cmd.Output() // it is killed
	var pid int
	if _, err := fmt.Sscan(string(out), &pid); err != nil {
		t.Fatal(err)
	}
	status, err := (&Child{Pid: pid}).Wait() // an orphan, and ours
	const noticed = 1 << 8                   // that it was too late to ask the kernel for its end
	if err != nil || status.Signal() != unix.SIGKILL && status != noticed {
		t.Errorf("it ended with %v, %v, not by its maker's death", status, err)
	}
}

// TestAnEmbryoWaitsForWhatItIsTold has one make calls that only it can make.
func TestAnEmbryoWaitsForWhatItIsTold(t *testing.T) {
	if !canConceive || os.Geteuid() != 0 {
		t.Skip("this takes root, and a processor for which there is one")
	}
	runtime.LockOSThread() // the embryo does not survive the thread, which ends with the test
	e, err := Conceive(uintptr(ClonePID|CloneMount), "moss-test")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Forget()
	uts := &Birth{}
	uts.Unshare(CloneUTS)
	if err := e.Do(uts); err != nil {
		t.Fatal(err)
	}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.Pid)); err != nil || string(name) != "moss-test\n" {
		t.Errorf("it is called %q (%v)", name, err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("its memory is dumpable: %d, %v", dumpable, err)
	}
	namespaces := map[string]bool{}
	for _, name := range []string{"uts", "mnt", "net"} {
		its, err1 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", e.Pid, name))
		own, err2 := os.Readlink("/proc/thread-self/ns/" + name)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		namespaces[name] = its == own
	}
	if namespaces["uts"] || namespaces["mnt"] || !namespaces["net"] {
		t.Errorf("which namespaces it shares is %v, want that of the network only", namespaces)
	}
	refused := &Birth{}
	refused.DropBounding(1000)
	if err := e.Do(refused); err == nil {
		t.Error("what the kernel refuses is no error")
	}
	proc, err := e.Procfs(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	if _, err := OpenIn(proc, "1/status", os.O_RDONLY, NoLinks); err != nil {
		t.Errorf("its procfs does not show it as the first process: %v", err)
	}
	child := &Child{Pid: e.Pid}
	if err := child.Kill(); err != nil {
		t.Fatal(err)
	}
	status, err := child.Wait()
	if err != nil || status.Signal() != unix.SIGKILL || !e.Ended() {
		t.Errorf("it ended with %v, %v", status, err)
	}
	if err := e.Do(uts); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v from one that has ended", err)
	}
}
