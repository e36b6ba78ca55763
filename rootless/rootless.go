// Package rootless makes the user's namespace and gets a command into it. One user has one user
// namespace at a time, with the subordinate ids of /etc/subuid and /etc/subgid (or of NSS, through
// getsubids); whoever comes first makes it, later commands join it before Go starts (package nsenter).
package rootless

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/scope"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// Names of environment variables that tell the constructor what to be; see rootless/nsenter.
const (
	envHolder = "_MOSS_HOLDER"
	envJoin   = "_MOSS_JOIN"
	envLinger = "_MOSS_LINGER"
	envEntry  = "_MOSS_ENTRY"   // set while one of moss's programs becomes another
	envFirst  = "_MOSS_ENTERED" // set while moss is executed again: entering is tried once
)

// Namespace is the user's namespace as this process sees it.
type Namespace struct {
	// Dir is the private directory of the namespace's files: <runtime dir>/moss/ns.
	Dir string
	// Program is the monitor program that the holder keeps for containers, and ProgramID tells it
	// from that of another build of moss.
	Program   func() ([]byte, error)
	ProgramID string

	monitorTaken bool
}

// Inside says whether this process is in the user's namespace (or is real root, which needs none).
func Inside() bool {
	e := nsenter.Result()
	return e.Joined || e.UID == 0
}

// Rootless says whether a user namespace of ours stands between this process and real root.
func Rootless() bool { return nsenter.Result().Joined || nsenter.Result().UID != 0 }

// HostUID and HostGID are the ids of the user who started the command.
func HostUID() int { return nsenter.Result().UID }

// HostGID is described at HostUID.
func HostGID() int { return nsenter.Result().GID }

// Prepare makes the environment of a process that has joined say so, in the words that
// containers/storage and containers/image understand. Call it before anything else.
func Prepare() error {
	e := nsenter.Result()
	if e.Errno != 0 {
		return explain(syscall.Errno(e.Errno))
	}
	if os.Getenv(envFirst) != "" {
		os.Unsetenv(envFirst)
		if !e.Joined {
			return errdefs.Errorf(errdefs.ErrUnavailable, "cannot enter the user namespace that was just made; try again, and look at /proc/sys/user/max_user_namespaces if it stays so")
		}
	}
	os.Unsetenv(envEntry)
	if !e.Joined {
		return nil
	}
	return errors.Join(
		os.Setenv("_CONTAINERS_USERNS_CONFIGURED", "done"),
		os.Setenv("_CONTAINERS_ROOTLESS_UID", strconv.Itoa(e.UID)),
		os.Setenv("_CONTAINERS_ROOTLESS_GID", strconv.Itoa(e.GID)),
	)
}

// Pass makes an environment with which another program that is executed in this process is where this one is:
// inside the namespace, with the lock.
func Pass(env []string) ([]string, error) {
	e := nsenter.Result()
	if !e.Joined {
		return env, nil
	}
	if err := sys.KeepOnExec(e.LockFD); err != nil {
		return nil, err
	}
	return append(env, fmt.Sprintf("%s=%d %d %d %d", envEntry, e.UID, e.GID, e.Holder, e.LockFD)), nil
}

// UsersLock is the lock that keeps the namespace alive, held shared by this process; a child that
// inherits it keeps the namespace too. Nil as real root.
func UsersLock() *os.File { return usersLock() }

// usersLock is made once: a file that nobody refers to any more is closed, and the lock with it.
var usersLock = sync.OnceValue(func() *os.File {
	if e := nsenter.Result(); e.Joined && e.LockFD >= 0 {
		return os.NewFile(uintptr(e.LockFD), "users.lock")
	}
	return nil
})

// Enter gets this process into the user's namespace: it makes the namespace if there is none, and
// executes moss again, so it returns only with an error. member, when not 0, is a living process inside
// the namespace: if the holder is gone, a new one joins that namespace instead of making another.
func (n *Namespace) Enter(ctx context.Context, member int) error {
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the user namespace's directory: %w", err)
	}
	lock, err := sys.LockFile(filepath.Join(n.Dir, "create.lock"), false)
	if err != nil {
		return fmt.Errorf("cannot lock the user namespace's directory: %w", err)
	}
	defer lock.Unlock()
	if _, ok := n.Holder(); !ok {
		if err := n.hold(ctx, member); err != nil {
			return err
		}
	}
	// By descriptor: the program with all commands is a memory file, which has no path.
	err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), envFirst+"=1"))
	return fmt.Errorf("cannot execute moss again: %w", err)
}

// Holder reads who holds the namespace; ok is false when nobody living does.
func (n *Namespace) Holder() (pid int, ok bool) {
	return sys.ReadProcess(n.holderFile())
}

// MonitorProgram is the sealed monitor program that the holder keeps, if it is the one that this moss
// carries. Containers are started from it and so can never overwrite it. It is opened, since the holder may
// be killed at any time.
func (n *Namespace) MonitorProgram() (program *os.File, ok bool) {
	pid := nsenter.Result().Holder
	if pid == 0 {
		return nil, false
	}
	path := holderFD(pid, nsenter.HolderProgram)
	link, err := os.Readlink(path)
	if err != nil || !strings.HasPrefix(link, "/memfd:"+n.programName()) {
		return nil, false
	}
	program, err = os.Open(path)
	return program, err == nil
}

// Monitor is the monitor that was started with this command, if it runs the program that this moss carries: its pid and its
// control socket. It is handed out once.
func (n *Namespace) Monitor() (pid int, control *os.File, ok bool) {
	e := nsenter.Result()
	if e.Monitor == 0 || n.monitorTaken {
		return 0, nil, false
	}
	n.monitorTaken = true
	control = os.NewFile(uintptr(e.Control), "control")
	program, ok := n.MonitorProgram()
	if !ok {
		control.Close() // that of another build ends by itself
		return 0, nil, false
	}
	program.Close()
	return e.Monitor, control, true
}

// ExitPipe is the path of a pipe that reports end of file when the holder ends.
func (n *Namespace) ExitPipe() string { return holderFD(nsenter.Result().Holder, nsenter.HolderExit) }

// NetNS is the path of the user's network namespace.
func (n *Namespace) NetNS() string {
	return fmt.Sprintf("/proc/%d/ns/net", nsenter.Result().Holder)
}

func (n *Namespace) holderFile() string { return filepath.Join(n.Dir, "holder") }

func holderFD(pid, fd int) string { return fmt.Sprintf("/proc/%d/fd/%d", pid, fd) }

func (n *Namespace) programName() string { return "moss-monitor-" + n.ProgramID }

// hold starts the holder, maps its ids and records it.
func (n *Namespace) hold(ctx context.Context, member int) error {
	program, err := n.Program()
	if err != nil {
		return err
	}
	memfd, err := sys.SealedProgram(n.programName(), program)
	if err != nil {
		return err
	}
	defer memfd.Close()
	users, err := os.OpenFile(filepath.Join(n.Dir, "users.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open the user namespace's lock: %w", err)
	}
	defer users.Close()
	exitR, exitW, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer exitR.Close()
	defer exitW.Close()
	ours, theirs, err := sys.SocketPair()
	if err != nil {
		return err
	}
	defer ours.Close()

	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"moss-holder"}
	cmd.Env = []string{envHolder + "=" + n.holderFile()}
	if linger := os.Getenv("MOSS_LINGER"); linger != "" {
		cmd.Env = append(cmd.Env, envLinger+"="+linger)
	}
	if member != 0 {
		cmd.Env = append(cmd.Env, envJoin+"="+strconv.Itoa(member))
	}
	cmd.ExtraFiles = []*os.File{theirs, users, memfd, exitR, exitW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("cannot start the namespace's holder: %w", err)
	}
	if err := n.initialise(ctx, cmd.Process.Pid, member == 0, ours); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	// It serves all of the user's containers, and is not to end with the unit or the session that this one belongs to.
	// Where there is no systemd it stays.
	_ = scope.Put(ctx, HostUID(), cmd.Process.Pid, scope.Engine)
	return nil
}

// initialise maps the ids of a holder whose user namespace is fresh, and lets it go on.
func (n *Namespace) initialise(ctx context.Context, pid int, fresh bool, holder *os.File) error {
	var b [1]byte
	if _, err := holder.Read(b[:]); err != nil {
		return fmt.Errorf("cannot make a user namespace: its holder ended: %w", err)
	}
	if b[0] != 'u' {
		return explain(syscall.Errno(b[0]))
	}
	if fresh {
		mappings, err := Configured(ctx, HostUID(), HostGID())
		if err != nil {
			return err
		}
		if err := mappings.write(ctx, pid); err != nil {
			return err
		}
	}
	if _, err := holder.Write([]byte{'m'}); err != nil {
		return fmt.Errorf("cannot reach the namespace's holder: %w", err)
	}
	// End of file: it is root in there, and closed its side.
	if _, err := holder.Read(b[:]); err == nil {
		return errors.New("cannot make a user namespace: its holder answered out of turn")
	}
	if _, err := sys.Identify(pid); err != nil {
		return errors.New("cannot make a user namespace: its holder could not become root in it")
	}
	if err := sys.WriteProcess(n.holderFile(), pid); err != nil {
		return fmt.Errorf("cannot record the user namespace: %w", err)
	}
	return nil
}
