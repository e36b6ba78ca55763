package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

// life is one run of the container's command.
type life struct {
	process runtime.Process
	pids    Pids
	streams *streams
	pumps   []*pump
	// mounts keeps the container's mount namespace until the end is told: when the kernel unmounts an overlay, it first writes back
	// everything that is dirty in the file system below, whoever wrote it.
	mounts *os.File
	began  time.Time
	// restarts counts the lives before, but the first.
	restarts int
}

// create begins a life: the container is being set up from here on. settle follows, or abandon and release.
func (m *monitor) create(ctx context.Context, bundle runtime.Encoded) (*life, error) {
	streams, err := m.openStreams()
	if err != nil {
		return nil, err
	}
	process, err := m.launcher.Create(ctx, bundle, streams.theirs, m.netns)
	streams.closeTheirs()
	if err != nil {
		streams.closeOurs()
		return nil, err
	}
	return &life{process: process, streams: streams, pids: Pids{Monitor: m.self}}, nil
}

// settle waits until a life is ready to start: the container is set up and its output is being read. After an error
// nothing of it is left.
func (m *monitor) settle(ctx context.Context, l *life) error {
	if err := l.process.Ready(ctx); err != nil {
		l.streams.closeOurs()
		return err
	}
	var err error
	if console := l.process.Console(); console != nil {
		err = l.streams.openConsole(console)
	}
	if err == nil {
		l.pids.Container, err = sys.Identify(l.process.Pid())
		if errors.Is(err, os.ErrProcessDone) {
			err = runtime.ErrKilled
		}
	}
	if err == nil {
		l.mounts, _ = os.Open(fmt.Sprintf("/proc/%d/ns/mnt", l.process.Pid())) // without it, the end only takes longer
		l.began = time.Now()
		err = writeJSON(m.req.RunDir, lifeFile, Life{Pids: l.pids, Began: l.began.Round(0), Ports: m.chosen, Record: m.req.Wiring.Record})
	}
	if err == nil {
		err = m.writePIDFiles(l.pids)
	}
	if err != nil {
		return errors.Join(err, l.abandon())
	}
	l.read(m.out)
	m.in.set(l.streams.stdin)
	return nil
}

// read begins to pass on what the container writes.
func (l *life) read(out *output) {
	var first *pump
	if l.streams.stdout != nil {
		first = out.pump(l.streams.stdout, logs.Stdout, nil)
		l.pumps = append(l.pumps, first)
	}
	if l.streams.stderr != nil {
		l.pumps = append(l.pumps, out.pump(l.streams.stderr, logs.Stderr, first))
	}
}

// abandon ends a life that has not begun to read and write.
func (l *life) abandon() error {
	l.streams.closeOurs()
	closeAll(l.mounts)
	return l.kill()
}

// kill ends a life that has not started.
func (l *life) kill() error {
	err := syscall.Kill(l.process.Pid(), syscall.SIGKILL)
	if err == nil {
		_, err = l.process.Wait()
	}
	return errors.Join(err, l.process.Delete())
}

// finish passes on the last output once no process of the life is left.
func (l *life) finish(m *monitor) error {
	m.in.close()
	m.out.hub.end()
	var errs error
	for _, p := range l.pumps {
		errs = errors.Join(errs, p.drain())
	}
	return errs
}

// release gives back what a life that is finished had: that can wait until its end is known.
func (l *life) release() {
	for _, p := range l.pumps {
		p.close()
	}
	closeAll(l.streams.slave, l.mounts)
}

// streams are both sides of what a container's process reads and writes.
type streams struct {
	theirs                runtime.Stdio
	stdin, stdout, stderr *os.File
	// slave is the container's side of its terminal: as long as it is open here, a process that closes
	// the terminal and opens it again does not look like the end.
	slave *os.File
}

// openStreams makes pipes; with a terminal the launcher makes that instead.
func (m *monitor) openStreams() (*streams, error) {
	s := &streams{theirs: runtime.Stdio{More: m.more}}
	if m.req.Terminal {
		return s, nil
	}
	var err1, err2, err3 error
	s.stdout, s.theirs.Stdout, err1 = sys.Pipe(false)
	s.stderr, s.theirs.Stderr, err2 = sys.Pipe(false)
	if m.req.OpenStdin {
		s.stdin, s.theirs.Stdin, err3 = sys.Pipe(true)
	} else {
		s.theirs.Stdin, err3 = os.Open(os.DevNull)
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		s.closeTheirs()
		s.closeOurs()
		return nil, err
	}
	return s, nil
}

// openConsole takes over the terminal's master side, once for reading and once for writing.
func (s *streams) openConsole(console *os.File) error {
	var err1, err2, err3 error
	s.stdout, err1 = sys.Pollable(console)
	s.stdin, err2 = sys.Pollable(console)
	s.slave, err3 = sys.PtyPeer(console)
	return errors.Join(err1, err2, err3, console.Close())
}

func (s *streams) closeTheirs() { closeAll(s.theirs.Stdin, s.theirs.Stdout, s.theirs.Stderr) }
func (s *streams) closeOurs()   { closeAll(s.stdin, s.stdout, s.stderr, s.slave) }

// closeAll closes pipes and terminals, where closing cannot lose anything.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
