package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
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
}

// startStage starts the program as a stage and waits until it has set everything up.
func startStage(ctx context.Context, l *launch) (*process, error) {
	ours, theirs, err := sys.SocketPair()
	if err != nil {
		return nil, err
	}
	p := &process{socket: ours, gone: make(chan struct{})}
	p.child, err = l.fork(theirs, p.gone)
	if err := errors.Join(err, theirs.Close()); err != nil {
		ours.Close()
		return nil, fmt.Errorf("cannot start the container's first process: %w", err)
	}
	p.pid = p.child.Pid
	stop := context.AfterFunc(ctx, func() { _ = p.child.Kill() })
	defer stop()
	if err := l.prepare(p); err != nil {
		p.abandon()
		return nil, err
	}
	return p, nil
}

// prepare puts the stage into its cgroup, tells it what to do and waits until that is done.
func (l *launch) prepare(p *process) error {
	if err := l.group.add(p.pid); err != nil {
		return err
	}
	if err := sendOrder(p.socket, &l.order); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("cannot tell the container's first process what to do: %w", err)
	}
	console, err := receiveFrame(p.socket)
	if errors.Is(err, io.EOF) {
		return errors.New("cannot set the container up: its first process was killed; is there enough memory?")
	}
	p.console = console
	return err
}

// fork clones the stage. Joining a PID namespace changes the calling thread for good, so a thread of its own does it. It
// stays until the process is gone: a stage dies with the thread that cloned it.
func (l *launch) fork(control *os.File, gone <-chan struct{}) (child *sys.Child, err error) {
	if l.spaces.pid == nil {
		return l.clone(control)
	}
	done := make(chan struct{})
	go func() {
		goruntime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err = sys.Setns(l.spaces.pid, sys.ClonePID); err == nil {
			child, err = l.clone(control)
		}
		failed := err != nil
		close(done)
		if !failed {
			<-gone
		}
	}()
	<-done
	return child, err
}

func (l *launch) clone(control *os.File) (*sys.Child, error) {
	program, err := os.OpenFile(l.exe, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	files := []*os.File{l.stdio.Stdin, l.stdio.Stdout, l.stdio.Stderr, control, program}
	if files[0] == nil || files[1] == nil || files[2] == nil {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		defer null.Close()
		for i := range files {
			if files[i] == nil {
				files[i] = null
			}
		}
	}
	for _, n := range l.spaces.join {
		files = append(files, n.file)
	}
	attr := &syscall.SysProcAttr{Cloneflags: l.spaces.cloned(), Setsid: true}
	if dir := l.group.dir; dir != nil {
		attr.UseCgroupFD, attr.CgroupFD = true, int(dir.Fd())
	}
	return sys.Spawn(l.exe, []string{l.name}, "", []string{"GOMAXPROCS=1"}, files, attr)
}
