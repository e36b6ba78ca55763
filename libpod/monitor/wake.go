package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/libpod/monitor/doze"
	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// wakeUp is Main after a nap, of which the descriptor tells.
func wakeUp(hooks Hooks, left string) int {
	m, l, err := remember(hooks, left)
	if err != nil {
		return errdefs.ExitEngine // and the container ends
	}
	m.present.Store(l)
	m.askForSignals()
	if doze.Told() {
		m.signals <- syscall.SIGTERM
	}
	m.signals <- syscall.SIGCHLD // there may have been some
	m.resume()
	l.read(m.out)
	return m.keep(context.Background(), l, m.handleSignals(func() {}))
}

// remember takes over what was left.
func remember(hooks Hooks, left string) (*monitor, *life, error) {
	_ = sys.SetThreadName("moss-monitor")
	s, err := readLeft(left)
	if err != nil {
		return nil, nil, err
	}
	var t taker
	m := &monitor{
		hooks: hooks, wake: make(chan struct{}, 1), self: s.Pids.Monitor, pause: s.Pause, chosen: s.Chosen,
		users: t.take(s.Users, "users.lock", false), layer: t.take(s.Layer, "layer", false), request: t.take(s.Request, "request", false), netns: t.take(s.NetNS, "netns", false),
	}
	for _, fd := range s.Extra {
		m.extra = append(m.extra, t.take(fd, "extra", false))
	}
	for _, fd := range s.More {
		m.more = append(m.more, t.take(fd, "more", false))
	}
	l := &life{
		pids: s.Pids, began: s.Began, restarts: s.Restarts, mounts: t.take(s.Mounts, "mounts", false),
		streams: &streams{
			stdin: t.take(s.Stdin, "stdin", true), stdout: t.take(s.Stdout, "stdout", true), stderr: t.take(s.Stderr, "stderr", true),
			slave: t.take(s.Slave, "terminal", false),
		},
	}
	listener, log := t.take(s.Listener, "attach", true), t.take(s.Log, "log", false)
	server := t.take(s.Server, "ports", true)
	notify := t.take(s.Notify, NotifySocket, true)
	var sockets []*os.File
	for _, fd := range s.Sockets {
		sockets = append(sockets, t.take(fd, "port", false))
	}
	if err := errors.Join(t.err, sys.CloseForeign(fdControl)); err != nil { // what only the nap needed
		return nil, nil, err
	}
	e, err := m.readEnvelope()
	if err != nil {
		return nil, nil, err
	}
	m.req = e.Request
	m.req.Wiring = s.Wiring
	m.assemble()
	m.server.listener = listener
	if notify != nil {
		m.notices = &notices{socket: notify, to: m.req.Notify}
	}
	m.in.rows, m.in.cols, m.in.file = s.Rows, s.Cols, l.streams.stdin
	if log != nil {
		if m.out.log, err = logs.Continue(log, m.req.Log.Path, m.req.Log.MaxSize, m.req.Log.MaxFiles); err != nil {
			return nil, nil, err
		}
	}
	if m.launcher, err = hooks.Launcher(m.req); err != nil {
		return nil, nil, err
	}
	if m.recorder, err = hooks.Recorder(m.req); err != nil {
		return nil, nil, err
	}
	if server != nil {
		if m.ports, err = hooks.ContinuePorts(m.req, m.netns, m.chosen, sockets, server); err != nil {
			return nil, nil, err
		}
	}
	l.process, err = m.launcher.(runtime.Adopter).Adopt(s.Kept)
	return m, l, err
}

// readLeft reads what leave said.
func readLeft(descriptor string) (s asleep, err error) {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return s, err
	}
	file := os.NewFile(uintptr(fd), "moss-asleep") //nolint:gosec // a descriptor
	defer file.Close()
	data, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<62))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// taker takes over descriptors.
type taker struct{ err error }

// take is nil for -1.
func (t *taker) take(fd int, name string, stream bool) *os.File {
	if fd < 0 {
		return nil
	}
	f, err := sys.Inherit(fd, name, stream)
	t.err = errors.Join(t.err, err)
	return f
}
