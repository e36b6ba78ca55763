package network_test

import (
	"errors"
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

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/sys"
)

// TestMain runs the tests twice where it can: as an unprivileged user who is root in a user namespace of
// his own, and as real root. The user is MOSS_TEST_USER, mosstest if that is not set.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "holder" {
		hold()
	}
	if os.Getenv("MOSS_TEST_INSIDE") != "" {
		os.Exit(m.Run())
	}
	if err := buildPrograms(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := unprivileged()
	if os.Getuid() == 0 {
		fmt.Println("as real root:")
		code = max(code, inNewMounts())
	}
	os.RemoveAll(os.Getenv(programs))
	os.Exit(code)
}

// programs is the variable that says where the programs are that moss carries.
const programs = "MOSS_TEST_PROGRAMS"

// buildPrograms builds them: they link no C, unlike this one.
func buildPrograms() error {
	dir, err := os.MkdirTemp("", "moss-programs")
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "../cmd/moss-uplink", "../cmd/moss-monitor")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build what moss carries: %w: %s", err, out)
	}
	return errors.Join(os.Setenv(programs, dir), os.Chmod(dir, 0o755))
}

// program is the path of one of them.
func program(name string) string { return filepath.Join(os.Getenv(programs), name) }

// unprivileged runs this program again as root of a new user namespace.
func unprivileged() int {
	dir, err := os.MkdirTemp("", "moss-network")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "test")
	data, _ := os.ReadFile("/proc/self/exe")
	if err := os.WriteFile(program, data, 0o755); err != nil {
		panic(err)
	}
	_ = os.Chmod(dir, 0o755)
	args := append([]string{"--map-auto", "--map-root-user", "--mount", program}, flags()...)
	return run(exec.Command("unshare", args...), true)
}

// inNewMounts runs this program again as it is, in a mount namespace of its own.
func inNewMounts() int {
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return run(exec.Command("unshare", append([]string{"--mount", program}, flags()...)...), false)
}

// flags are this program's own, but for the file of the go command that another user may not write.
func flags() []string {
	return slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile=") })
}

func run(cmd *exec.Cmd, asUser bool) int {
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "MOSS_TEST_INSIDE=1", "TMPDIR=/tmp")
	cmd.Dir = "/"
	if asUser && os.Getuid() == 0 {
		name := os.Getenv("MOSS_TEST_USER")
		if name == "" {
			name = "mosstest"
		}
		id := func(flag string) uint32 {
			out, err := exec.Command("id", flag, name).Output()
			if err != nil {
				panic("cannot find the user " + name + ": set MOSS_TEST_USER")
			}
			n, _ := strconv.Atoi(string(out[:len(out)-1]))
			return uint32(n)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id("-u"), Gid: id("-g")}}
		cmd.Env = append(cmd.Env, "USER="+name, "LOGNAME="+name)
	}
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// hold is the holder of a user's network namespace: it ends with its standard input.
func hold() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// user is one user's part of the machine.
type user struct {
	t      *testing.T
	dir    string
	holder *exec.Cmd // nil for real root
	stop   io.Closer
}

// realRoot says that this is real root, which has no holder.
func realRoot() bool {
	data, _ := os.ReadFile("/proc/self/uid_map")
	var inside, outside, n int
	_, _ = fmt.Sscan(string(data), &inside, &outside, &n)
	return n > 1<<30
}

func newUser(t *testing.T) *user {
	u := &user{t: t, dir: filepath.Join(t.TempDir(), "network")}
	if realRoot() {
		return u
	}
	r, w, err := os.Pipe()
	must(t, err)
	u.holder = exec.Command("/proc/self/exe", "holder")
	u.holder.ExtraFiles = []*os.File{w}
	u.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: sys.CloneNet}
	u.stop, err = u.holder.StdinPipe()
	must(t, err)
	must(t, u.holder.Start())
	r.Close()
	w.Close()
	t.Cleanup(u.leave)
	return u
}

// leave ends the holder.
func (u *user) leave() {
	if u.holder != nil {
		u.stop.Close()
		_ = u.holder.Wait()
		u.holder = nil
	}
}

func (u *user) request(id string) network.Request {
	r := network.Request{ContainerID: id, RunDir: u.dir, Uplink: network.Choice{Program: carried}}
	if u.holder != nil {
		proc := "/proc/" + strconv.Itoa(u.holder.Process.Pid)
		r.UserNetNS, r.ExitPipe = proc+"/ns/net", proc+"/fd/3"
	}
	return r
}

// attach connects a container until the test ends.
func (u *user) attach(id string) *network.Attachment {
	u.t.Helper()
	return u.attachWith(u.request(id))
}

func (u *user) attachWith(r network.Request) *network.Attachment {
	u.t.Helper()
	a, err := u.try(r)
	must(u.t, err)
	return a
}

func (u *user) try(r network.Request) (a *network.Attachment, err error) {
	if network.NeedsNetNS(r.Mode) {
		if r.NetNS, err = network.NewNetNS(); err != nil {
			return nil, err
		}
	}
	if a, err = network.Attach(u.t.Context(), r); err == nil {
		u.t.Cleanup(a.Close)
	} else if r.NetNS != nil {
		r.NetNS.Close()
	}
	return a, err
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
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("still waiting for: %s", what)
}
