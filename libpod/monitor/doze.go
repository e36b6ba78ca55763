package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/doze"
	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// A monitor of whose container nobody wants anything becomes another program, which takes next to no memory and waits for whatever the monitor
// would have waited for; then it becomes the monitor again. What has to be known by that is in a memory file.

// envAsleep is the number of the memory file's descriptor.
const envAsleep = "_MOSS_ASLEEP"

// longDoze is how long a monitor that could not go to sleep stays awake.
const longDoze = time.Minute

// asleep is what a monitor leaves to the one that it becomes. Descriptors are -1 where there is none.
type asleep struct {
	Users    int           `json:"users"`
	Request  int           `json:"request"`
	Wiring   Wiring        `json:"wiring"`
	NetNS    int           `json:"netns"`
	Extra    []int         `json:"extra"`
	Listener int           `json:"listener"`
	Log      int           `json:"log"`
	Rows     uint16        `json:"rows"`
	Cols     uint16        `json:"cols"`
	Pause    time.Duration `json:"pause"`
	// The rest is of the life.
	Kept     runtime.Kept `json:"kept"`
	Pids     Pids         `json:"pids"`
	Began    time.Time    `json:"began"`
	Restarts int          `json:"restarts"`
	Stdin    int          `json:"stdin"`
	Stdout   int          `json:"stdout"`
	Stderr   int          `json:"stderr"`
	Slave    int          `json:"slave"`
	Mounts   int          `json:"mounts"`
}

// doze returns when the life may have ended, or this monitor cannot sleep. It is called by the thread that made the container. handled is from
// handleSignals, before and after.
func (m *monitor) doze(l *life, handled <-chan struct{}) <-chan struct{} {
	after := time.Duration(m.req.DozeAfter) * time.Millisecond
	if _, ok := m.launcher.(runtime.Adopter); !ok || after == 0 {
		return handled
	}
	pidfd, err := l.pids.Container.Open()
	if err != nil {
		return handled
	}
	defer pidfd.Close()
	wait := after
	for {
		if ended, err := sys.WaitExit(pidfd, wait); ended || err != nil {
			return handled
		}
		wait = after
		if !m.tired(after) || !m.keeper.waits() {
			continue
		}
		m.lean.Stop()
		if handled, err = m.sleep(l, handled); err != nil {
			wait = longDoze
		}
	}
}

// tired says that nothing has happened for so long.
func (m *monitor) tired(after time.Duration) bool {
	return m.out.quiet() >= after && (m.out.log == nil || m.out.log.Whole()) && m.server.alone() && m.ports == nil && !m.stopped.Load() && len(m.signals) == 0
}

// sleep has this process become the other program. It returns when that cannot be, or something happened meanwhile, with all as it was before.
func (m *monitor) sleep(l *life, handled <-chan struct{}) (<-chan struct{}, error) {
	before := m.signals
	m.askForSignals() // none is missed
	ignoreSignals(before, handled)
	if m.keeper != nil {
		m.keeper.stop()
	}
	err := m.fallAsleep(l)
	m.resume()
	for _, p := range l.pumps {
		p.resume()
	}
	return m.handleSignals(func() {}), err
}

// resume serves those who want something of the container.
func (m *monitor) resume() {
	m.server.welcome()
	if m.newKeeper(); m.keeper != nil {
		m.keeper.start()
	}
}

// fallAsleep only returns when that cannot be, or something happened meanwhile, which is no error.
func (m *monitor) fallAsleep(l *life) error {
	m.server.pause()
	for _, p := range l.pumps {
		p.pause()
	}
	watched, whole := m.keeper.processes()
	defer closeAll(watched...)
	if !whole || !m.tired(0) {
		return nil
	}
	nap, err := sys.NewNap()
	if err != nil {
		return err
	}
	defer nap.Close()
	for _, pidfd := range watched {
		nap.Watch(pidfd)
	}
	return m.nap(l, nap)
}

// nap is the rest of fallAsleep.
func (m *monitor) nap(l *life, nap *sys.Nap) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	state, err := m.leave(l, nap)
	if err != nil {
		return err
	}
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	file, err := sys.SealedProgram("moss-asleep", data)
	if err != nil {
		return err
	}
	defer file.Close()
	program, err := doze.Program()
	if err != nil {
		return err
	}
	defer program.Close()
	again, left := nap.Keep(self), nap.Keep(file)
	return nap.Begin(program, []string{"moss-monitor", m.req.ContainerID}, func(watch, signals int) []string {
		return append(doze.Environment(again, watch, signals), append(environmentAwake(), fmt.Sprintf("%s=%d", envAsleep, left))...)
	})
}

// leave says what there is, and keeps it.
func (m *monitor) leave(l *life, nap *sys.Nap) (s asleep, err error) {
	kept, ok := m.launcher.(runtime.Adopter).Keep(l.process)
	if !ok {
		return s, errors.New("the container would end with this thread")
	}
	s = asleep{
		Users: nap.Keep(m.users), Request: nap.Keep(m.request), Wiring: m.req.Wiring, NetNS: nap.Keep(m.netns), Listener: nap.Watch(m.server.listener), Log: -1, Pause: m.pause,
		Kept: kept, Pids: l.pids, Began: l.began, Restarts: l.restarts, Stdout: -1, Stderr: -1, Slave: nap.Keep(l.streams.slave), Mounts: nap.Keep(l.mounts),
	}
	for _, f := range m.extra {
		s.Extra = append(s.Extra, nap.Keep(f))
	}
	if m.out.log != nil {
		s.Log = nap.Keep(m.out.log.File())
	}
	for _, p := range l.pumps {
		switch {
		case !p.paused:
		case p.stream == logs.Stdout:
			s.Stdout = nap.Watch(p.file)
		default:
			s.Stderr = nap.Watch(p.file)
		}
	}
	var stdin *os.File
	stdin, s.Rows, s.Cols = m.in.left()
	s.Stdin = nap.Keep(stdin)
	return s, nil
}

// environmentAwake is the environment without what a nap added.
func environmentAwake() (env []string) {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name != envAsleep && !doze.Adds(name) {
			env = append(env, e)
		}
	}
	return env
}

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
	m.keep(context.Background(), l, m.handleSignals(func() {}))
	return 0
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
		hooks: hooks, wake: make(chan struct{}, 1), self: s.Pids.Monitor, pause: s.Pause,
		users: t.take(s.Users, "users.lock", false), request: t.take(s.Request, "request", false), netns: t.take(s.NetNS, "netns", false),
	}
	for _, fd := range s.Extra {
		m.extra = append(m.extra, t.take(fd, "extra", false))
	}
	l := &life{
		pids: s.Pids, began: s.Began, restarts: s.Restarts, mounts: t.take(s.Mounts, "mounts", false),
		streams: &streams{
			stdin: t.take(s.Stdin, "stdin", true), stdout: t.take(s.Stdout, "stdout", true), stderr: t.take(s.Stderr, "stderr", true),
			slave: t.take(s.Slave, "terminal", false),
		},
	}
	listener, log := t.take(s.Listener, "attach", true), t.take(s.Log, "log", false)
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
