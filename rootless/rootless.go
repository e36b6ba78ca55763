// Package rootless makes the user's namespace and gets a command into it. One user has one user
// namespace at a time, with the subordinate ids of /etc/subuid and /etc/subgid (or of NSS, through
// getsubids); whoever comes first makes it, later commands join it before Go starts (package nsenter).
package rootless

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// Names of environment variables that tell the constructor what to be; see rootless/nsenter.
const (
	envHolder = "_MOSS_HOLDER"
	envJoin   = "_MOSS_JOIN"
	envNetNS  = "_MOSS_NETNS"
	envLinger = "_MOSS_LINGER"
	envEntry  = "_MOSS_ENTRY"   // set while one of moss's programs becomes another
	envAgain  = "_MOSS_ENTERED" // how often moss has been executed again to enter
)

// EnvFull is set in whatever is to be the full program, whatever its command line.
const EnvFull = "_MOSS_FULL"

// Namespace is the user's namespace as this process sees it.
type Namespace struct {
	// Dir is the private directory of the namespace's files: <runtime dir>/moss/ns.
	Dir string
	// Program is the monitor program that the holder keeps for containers, and ProgramID tells it
	// from that of another build of moss.
	Program   func() ([]byte, error)
	ProgramID string

	monitorTaken bool
	revived      atomic.Int32 // pid of the holder that took the place of the one this process found
}

// maxTries is how often entering is tried: a holder may be killed before anybody has joined what it keeps.
const maxTries = 3

// tries is how often it has been tried.
var tries = sync.OnceValue(func() int {
	n, _ := strconv.Atoi(os.Getenv(envAgain))
	return n
})

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
	if tries() > 0 {
		os.Unsetenv(envAgain)
		if !e.Joined && tries() == maxTries {
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

// Pass makes an environment with which the full program that is executed in this process is where this one is: inside the namespace,
// with the lock.
func Pass(env []string) ([]string, error) {
	env = append(env, EnvFull+"=1")
	e := nsenter.Result()
	if !e.Joined {
		return env, nil
	}
	if err := sys.KeepOnExec(e.LockFD); err != nil {
		return nil, err
	}
	return append(env, fmt.Sprintf("%s=%d %d %d %d", envEntry, e.UID, e.GID, e.Holder, e.LockFD)), nil
}

// Program is the path of the file that this program was started from, "" where that is not known.
func Program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// Entry is an environment with which moss, started by somebody who is inside the namespace, knows that it is there too.
// lockFD is its descriptor of users.lock. It is for later: who the holder is then, Revive finds out.
func Entry(lockFD int) []string {
	e := nsenter.Result()
	if !e.Joined {
		return nil
	}
	return []string{fmt.Sprintf("%s=%d %d 0 %d", envEntry, e.UID, e.GID, lockFD)}
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
// the namespace: if the holder is gone, a new one joins that namespace instead of making another. leave is asked right before, and
// may refuse.
func (n *Namespace) Enter(ctx context.Context, member int, leave func() error) error {
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the user namespace's directory: %w", err)
	}
	lock, err := sys.LockFile(filepath.Join(n.Dir, "create.lock"), false)
	if err != nil {
		return fmt.Errorf("cannot lock the user namespace's directory: %w", err)
	}
	defer lock.Unlock()
	if _, ok := n.Holder(); !ok {
		if err := n.takeOver(ctx, member); err != nil {
			return err
		}
	}
	if err := leave(); err != nil {
		return err
	}
	err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), envAgain+"="+strconv.Itoa(tries()+1)))
	return fmt.Errorf("cannot execute moss again: %w", err)
}

// Revive gives the namespaces that this process is in a holder again, where theirs was killed, and says whether it made one.
func (n *Namespace) Revive(ctx context.Context) (made bool, err error) {
	lock, err := sys.LockFile(filepath.Join(n.Dir, "create.lock"), false)
	if err != nil {
		return false, fmt.Errorf("cannot lock the user namespace's directory: %w", err)
	}
	defer lock.Unlock()
	pid, ok := n.Holder()
	if !ok {
		if err := n.takeOver(ctx, 0); err != nil {
			return false, err
		}
		pid, _ = n.Holder()
	}
	n.revived.Store(int32(pid))
	return !ok, nil
}

// Held says that the holder which this process found still lives.
func (n *Namespace) Held() bool {
	pid, ok := n.Holder()
	return ok && pid == n.holder()
}

// holder is the pid of the holder that this process found, 0 when there was none.
func (n *Namespace) holder() int {
	if pid := n.revived.Load(); pid != 0 {
		return int(pid)
	}
	return nsenter.Result().Holder
}

// Holder reads who holds the namespace; ok is false when nobody living does.
func (n *Namespace) Holder() (pid int, ok bool) {
	return sys.ReadProcess(n.HolderFile())
}

// HolderFile names the holder's process, as sys.WriteProcess does.
func (n *Namespace) HolderFile() string { return filepath.Join(n.Dir, "holder") }

// MonitorProgram is the sealed monitor program that the holder keeps, if it is the one that this moss
// carries. Containers are started from it and so can never overwrite it. It is opened, since the holder may
// be killed at any time.
func (n *Namespace) MonitorProgram() (program *os.File, ok bool) {
	pid := n.holder()
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

// Monitor is a monitor that was started with the command.
type Monitor struct {
	PID     int
	Control *os.File // its control socket
	Fresh   uint32   // the namespaces that it was told to make first, 0 for none
}

// Monitor is the monitor that was started with this command, if it runs the program that this moss carries. It is handed out once.
func (n *Namespace) Monitor() (m Monitor, ok bool) {
	e := nsenter.Result()
	if e.Monitor == 0 || n.monitorTaken {
		return m, false
	}
	n.monitorTaken = true
	m = Monitor{e.Monitor, os.NewFile(uintptr(e.Control), "control"), e.Fresh}
	program, ok := n.MonitorProgram()
	if !ok {
		m.Control.Close() // that of another build ends by itself
		return m, false
	}
	program.Close()
	return m, true
}

// ExitPipe is the path of a pipe whose readers are told by its end of file that the holder, and all others who have it open
// for writing, have ended.
func (n *Namespace) ExitPipe() string { return holderFD(n.holder(), nsenter.HolderExit) }

// NetNS is the path of the user's network namespace.
func (n *Namespace) NetNS() string {
	return fmt.Sprintf("/proc/%d/ns/net", n.holder())
}

func holderFD(pid, fd int) string { return fmt.Sprintf("/proc/%d/fd/%d", pid, fd) }

func (n *Namespace) programName() string { return "moss-monitor-" + n.ProgramID }
