package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/doze"
	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/spec"
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
	Users    int                `json:"users"`
	Layer    int                `json:"layer"`
	Request  int                `json:"request"`
	Wiring   Wiring             `json:"wiring"`
	NetNS    int                `json:"netns"`
	Extra    []int              `json:"extra"`
	More     []int              `json:"more,omitempty"`
	Listener int                `json:"listener"`
	Notify   int                `json:"notify"`
	Log      int                `json:"log"`
	Rows     uint16             `json:"rows"`
	Cols     uint16             `json:"cols"`
	Pause    time.Duration      `json:"pause"`
	Chosen   []spec.PortMapping `json:"chosen,omitempty"`
	Sockets  []int              `json:"sockets,omitempty"`
	Server   int                `json:"server"`
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
	if _, ok := m.keptProcess(l); !ok || after == 0 {
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
		if left := after - m.out.quiet(); left > 0 {
			wait = left + time.Millisecond
			continue
		}
		wait = after
		if !m.tired() || !m.keeper.waits() {
			continue
		}
		m.lean.Stop()
		if handled, err = m.sleep(l, pidfd, handled); err != nil {
			wait = longDoze
		}
	}
}

// keptProcess is the container's, if it can outlive this program.
func (m *monitor) keptProcess(l *life) (k runtime.Kept, ok bool) {
	adopter, ok := m.launcher.(runtime.Adopter)
	if !ok {
		return k, false
	}
	return adopter.Keep(l.process)
}

// tired says that there is nothing to do.
func (m *monitor) tired() bool {
	return m.out.quiet() > 0 && m.server.alone() && !m.stopped.Load() && len(m.signals) == 0
}

// sleep has this process become the other program. It returns when that cannot be, or something happened meanwhile, with all as it was before.
func (m *monitor) sleep(l *life, pidfd *os.File, handled <-chan struct{}) (<-chan struct{}, error) {
	before := m.signals
	m.askForSignals() // none is missed
	ignoreSignals(before, handled)
	if m.keeper != nil {
		m.keeper.stop()
	}
	err := m.fallAsleep(l, pidfd)
	if m.ports != nil {
		m.ports.Resume()
	}
	m.resume()
	for _, p := range l.pumps {
		p.resume()
	}
	return m.handleSignals(func() {}), err
}

// resume serves those who want something of the container.
func (m *monitor) resume() {
	m.server.welcome()
	if m.notices != nil {
		m.notices.passOn(nil)
	}
	if m.newKeeper(); m.keeper != nil {
		m.keeper.start()
	}
}

// fallAsleep only returns when that cannot be, or something happened meanwhile, which is no error.
func (m *monitor) fallAsleep(l *life, pidfd *os.File) error {
	m.server.pause()
	if m.notices != nil {
		m.notices.pause()
	}
	for _, p := range l.pumps {
		p.pause()
	}
	var sockets []*os.File
	var server *os.File
	served := true
	if m.ports != nil {
		sockets, server, served = m.ports.Pause()
	}
	watched, whole := m.keeper.processes()
	defer closeAll(watched...)
	if !served || !whole || !m.tired() {
		return nil
	}
	nap, err := sys.NewNap()
	if err != nil {
		return err
	}
	defer nap.Close()
	for _, process := range append(watched, pidfd) {
		nap.Watch(process)
	}
	state, err := m.leave(l, nap)
	if err != nil {
		return err
	}
	state.Server = nap.Watch(server)
	for _, f := range sockets {
		state.Sockets = append(state.Sockets, nap.Keep(f))
	}
	return m.nap(nap, &state)
}

// nap is the rest of fallAsleep.
func (m *monitor) nap(nap *sys.Nap, state *asleep) error {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
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

// leave says what there is but ports, and keeps it.
func (m *monitor) leave(l *life, nap *sys.Nap) (s asleep, err error) {
	kept, ok := m.keptProcess(l)
	if !ok {
		return s, errors.New("the container would end with this thread")
	}
	s = asleep{
		Users: nap.Keep(m.users), Layer: nap.Keep(m.layer), Request: nap.Keep(m.request), Wiring: m.req.Wiring, NetNS: nap.Keep(m.netns), Listener: nap.Watch(m.server.listener), Log: -1,
		Pause: m.pause, Chosen: m.chosen,
		Kept: kept, Pids: l.pids, Began: l.began, Restarts: l.restarts, Stdout: -1, Stderr: -1, Slave: nap.Keep(l.streams.slave), Mounts: nap.Keep(l.mounts), Notify: -1,
	}
	if m.notices != nil {
		s.Notify = nap.Watch(m.notices.socket)
	}
	for _, f := range m.extra {
		s.Extra = append(s.Extra, nap.Keep(f))
	}
	for _, f := range m.more {
		s.More = append(s.More, nap.Keep(f))
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
