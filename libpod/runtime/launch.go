package runtime

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

var errNoArgs = errdefs.Errorf(errdefs.ErrInvalid, "cannot start a container without a command: name one after the image")

// launch is a stage to start.
type launch struct {
	exe    string
	name   string // argv[0]: which stage
	spaces *namespaces
	group  *cgroup
	stdio  Stdio
	order  order
	apart  bool                // the process must have memory of its own from the beginning
	ready  *process            // a stage that was started before, nil when there is none
	placed bool                // the stage was born in its cgroup
	place  func(pid int) error // Target.Place
}

// begin starts the program as a stage, unless one is ready, puts it into its cgroup and tells it what to do.
func (l *launch) begin() (*process, error) {
	p := l.ready
	if p == nil {
		var err error
		if p, err = l.start(); err != nil {
			return nil, err
		}
	}
	err := l.instruct(p)
	if p == l.ready && isErrno(err, syscall.EACCES) {
		// It was born where this process itself was then, from where only systemd may move it.
		p.abandon()
		l.ready = nil
		return l.begin()
	}
	if err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// start starts the program as a stage, which waits for its order.
func (l *launch) start() (*process, error) {
	if l.mayBeBeside() {
		if p, err := startBeside(l.exe, l.spaces); err == nil {
			return p, nil
		}
	}
	ours, theirs, err := sys.SocketPair()
	if err != nil {
		return nil, err
	}
	p := &process{line: stageSocket{ours}}
	p.child, err = l.clone(theirs)
	if err := errors.Join(err, theirs.Close()); err != nil {
		ours.Close()
		return nil, fmt.Errorf("cannot start the container's first process: %w", err)
	}
	p.pid = p.child.Pid
	return p, nil
}

func (l *launch) instruct(p *process) error {
	if err := l.join(p.pid); err != nil {
		return err
	}
	l.order.slack, l.order.more = p.child.Slack, len(l.stdio.More)
	if err := l.sendOrder(p.line); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("cannot tell the container's first process what to do: %w", err)
	}
	return nil
}

// join puts a stage into its cgroup, unless it was born there.
func (l *launch) join(pid int) error {
	switch {
	case l.placed:
		return nil
	case l.place != nil && l.group.dir != nil:
		return l.place(pid)
	}
	return l.group.add(pid)
}

// sendOrder completes the order with the descriptors that belong to it.
func (l *launch) sendOrder(to line) error {
	l.order.streams = []*os.File{l.stdio.Stdin, l.stdio.Stdout, l.stdio.Stderr}
	if slices.Contains(l.order.streams, nil) {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		for i := range l.order.streams {
			if l.order.streams[i] == nil {
				l.order.streams[i] = null
			}
		}
	}
	for _, n := range l.spaces.join {
		l.order.namespaces = append(l.order.namespaces, n.file)
	}
	l.order.handed = l.stdio.More
	return to.order(&l.order)
}

func (l *launch) clone(control *os.File) (*sys.Child, error) {
	program, err := os.OpenFile(l.exe, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	files := append([]*os.File{os.Stdin, os.Stdout, os.Stderr, control, program}, l.stdio.More...) // the container's streams come with the order
	attr := &syscall.SysProcAttr{Cloneflags: l.spaces.cloned(), Setsid: true}
	if dir := l.group.dir; dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(dir.Fd())
	}
	spawn := func() (*sys.Child, error) {
		return sys.SpawnLate(l.exe, []string{l.name}, "", []string{"GOMAXPROCS=1"}, files, attr)
	}
	child, err := spawn()
	if attr.UseCgroupFD && l.place != nil && isErrno(err, syscall.EACCES) {
		attr.UseCgroupFD = false
		child, err = spawn()
	}
	l.placed = attr.UseCgroupFD
	return child, err
}
