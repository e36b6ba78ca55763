package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Target is a running container to execute one more process in.
type Target struct {
	Pid    int    // of its first process, in the caller's PID namespace
	Cgroup string // as Spec.Linux.CgroupsPath; "" is none
	// Place puts a process into the container's cgroup where the caller itself may not; nil: there is no other way.
	Place func(ctx context.Context, pid int) error
}

// Task is what one more process is to do.
type Task struct {
	Process *specs.Process
	Seccomp string // path of the compiled filter, "" for none
	// User and Groups are resolved in the container as those of a Bundle.
	User   string
	Groups []string
}

// Exec sets one more process of a container up, in the same namespaces and with the same restrictions as its first one
// would be, by the same code. The process waits for Start. exe and io are as for New and Create.
//
// task is called once the process's program is starting up, which takes as long as to find out what it is to do.
// Containers of any launcher will do.
func Exec(ctx context.Context, target Target, task func() (*Task, error), io Stdio, exe string) (Process, error) {
	init, err := sys.OpenPidfd(target.Pid)
	if errors.Is(err, syscall.ESRCH) {
		return nil, errNotRunning(err)
	}
	if err != nil {
		return nil, err
	}
	defer init.Close()
	if err := awaitBirth(ctx, target.Pid); err != nil {
		return nil, fmt.Errorf("cannot execute in the container: %w", err)
	}
	kinds, err := differing(target.Pid)
	if err != nil {
		return nil, err
	}
	group, err := joinCgroup(target.Cgroup)
	if err != nil {
		return nil, err
	}
	if err := group.openDir(); err != nil {
		return nil, err
	}
	defer group.dir.Close()
	spaces := &namespaces{join: []namespace{{0, init}}, borrowed: init}
	start := &launch{exe: exe, name: stageExec, spaces: spaces, group: group, stdio: io}
	if target.Place != nil {
		start.place = func(pid int) error { return target.Place(ctx, pid) }
	}
	p, err := start.start()
	if err != nil {
		return nil, err
	}
	p.extra, p.group = true, group
	t, err := task()
	if err == nil && len(t.Process.Args) == 0 {
		err = errNoArgs
	}
	if err == nil {
		start.order.Command = &command{Task: *t, Namespaces: kinds, Pid: target.Pid}
		err = start.instruct(p)
	}
	if err != nil {
		p.abandon()
		return nil, err
	}
	return p, p.Ready(ctx)
}

func errNotRunning(err error) error {
	return errdefs.Errorf(errdefs.ErrConflict, "cannot execute in the container: it is not running: %w", err)
}

// differing are the kinds of namespaces that a process does not share with the caller.
func differing(pid int) (int, error) {
	all := 0
	for _, n := range []struct {
		name string
		kind int
	}{
		{"user", sys.CloneUser},
		{"mnt", sys.CloneMount},
		{"pid", sys.ClonePID},
		{"net", sys.CloneNet},
		{"ipc", sys.CloneIPC},
		{"uts", sys.CloneUTS},
		{"cgroup", sys.CloneCgroup},
	} {
		theirs, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + n.name)
		if errors.Is(err, os.ErrPermission) { // made where there was another runtime directory
			return 0, errdefs.Errorf(errdefs.ErrUnavailable, "cannot execute in the container: it is in another user namespace than this command, as it was started with another XDG_RUNTIME_DIR; set that, or start it again: %w", err)
		}
		if err != nil {
			return 0, errNotRunning(err)
		}
		ours, err := os.Readlink("/proc/thread-self/ns/" + n.name)
		if err != nil {
			return 0, err
		}
		if ours != theirs {
			all |= n.kind
		}
	}
	if all&sys.CloneUser != 0 {
		return 0, fmt.Errorf("cannot execute in the container: it has a user namespace of its own")
	}
	return all, nil
}

// enter joins a running container. What is read of it for us is read from outside first.
func (s *stage) enter(o *order) error {
	c := o.Command
	s.proc = c.Process
	if err := s.readFilter(c.Seccomp); err != nil {
		return err
	}
	root, err := os.OpenFile("/proc/"+strconv.Itoa(c.Pid)+"/root", sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return fmt.Errorf("cannot open the container's root directory: %w", err)
	}
	s.root = root
	if err := s.resolveUser(c.User, c.Groups); err != nil {
		return err
	}
	if err := s.ownStreams(); err != nil {
		return err
	}
	if err := s.setScore(); err != nil {
		return err
	}
	if err := sys.Setns(o.namespaces[0], c.Namespaces&^sys.ClonePID); err != nil {
		return err
	}
	if c.Namespaces&sys.ClonePID != 0 {
		s.pids = o.namespaces[0]
	}
	if s.proc.Terminal {
		if err := s.newTerminal(); err != nil {
			return err
		}
		if err := s.takeTerminal(); err != nil {
			return err
		}
	}
	return s.openCwd()
}
