package monitor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Hooks are what a monitor gets from the program it is in.
type Hooks struct {
	// Launcher is how the container is made.
	Launcher func(*Request) (runtime.Launcher, error)
	// Prepare, when not nil, is told what Handle.Prepare was.
	Prepare func(fresh uint32)
	// Recorder opens the container's record.
	Recorder func(*Request) (Recorder, error)
	// Ports binds req.Wiring.Ports and serves them in netns until closed. It is called, when there are ports,
	// before the container's process starts. extra are those of Handle.Connect. chosen are the mappings with the host
	// ports that were bound. A port in use is errdefs.ErrConflict.
	Ports func(ctx context.Context, req *Request, netns *os.File, extra []*os.File) (served Ports, chosen []spec.PortMapping, err error)
	// ContinuePorts goes on with what Ports.Pause left to another program of this process.
	ContinuePorts func(req *Request, netns *os.File, chosen []spec.PortMapping, sockets []*os.File, server *os.File) (served Ports, err error)
}

// Ports are published ports.
type Ports interface {
	io.Closer
	// Pause leaves them to whoever serves them, until Resume, or until ContinuePorts in another program that this process executes. sockets are theirs; server
	// can be read from when there is something to do. ok says that all is well with them.
	Pause() (sockets []*os.File, server *os.File, ok bool)
	Resume()
}

// monitor is the state of the process.
type monitor struct {
	hooks    Hooks
	req      *Request // without the bundle
	request  *os.File // the memory file
	control  *os.File // nil once the container runs
	users    *os.File // only held
	record   *os.File // only held, until the container runs; nil then
	layer    *os.File // only held: Recorder.Hold
	netns    *os.File
	extra    []*os.File // of Connect
	more     []*os.File // of Passed, for each life
	self     sys.Process
	launcher runtime.Launcher
	recorder Recorder
	ports    Ports   // nil when there are none
	keeper   *keeper // nil when there is nothing to watch
	chosen   []spec.PortMapping
	out      *output
	in       *input
	server   *server
	notices  *notices // nil when nobody is to be told
	signals  chan os.Signal
	stopped  atomic.Bool   // SIGTERM came: no more restarts
	wake     chan struct{} // ends a pause
	present  atomic.Pointer[life]
	lean     *time.Timer // settles down
	// unrecorded says that only the run directory tells that the container runs.
	unrecorded bool
	pause      time.Duration // before the last restart
}

// Main is the whole life of the monitor process that Spawn started; it returns the process's exit
// code, which is the container's: a service manager may take the monitor for the service. What goes wrong before the container runs is told to whoever called Spawn.
func Main(hooks Hooks) int {
	goruntime.LockOSThread() // a container dies with the thread that made it
	_ = sys.SetTimerSlack(0) // rootless/nsenter lets those of the others be late
	if fd, ok := os.LookupEnv(envAsleep); ok {
		return wakeUp(hooks, fd)
	}
	m, attached, err := inherit(hooks)
	if err != nil {
		m.forget()
		return errdefs.ExitEngine // nobody is there to be told
	}
	beginning, cancel := context.WithCancel(context.Background())
	defer cancel()
	handled := m.handleSignals(cancel)
	l, err := m.begin(beginning, attached)
	if err != nil {
		ignoreSignals(m.signals, handled)
		if errors.Is(err, context.Canceled) {
			err = errGivenUp
		}
		m.answer(failed(err))
		m.end()
		if m.req.Remove {
			m.forget()
		}
		return errdefs.ExitEngine
	}
	m.answer(reply{Pids: l.pids})
	_ = m.recorder.Began() // the run directory tells as well
	if m.notices == nil {
		closeAll(m.control)
	} else {
		m.notices.passOn(m.control)
	}
	closeAll(m.record)
	m.control, m.record = nil, nil
	if p := m.req.Restart.Policy; p == "" || p == RestartNo { // else who waits for the end of a pipe waits for the last life's
		closeAll(m.more...)
		m.more = nil
	}
	m.newKeeper()
	m.unrecorded = m.req.Remove
	return m.keep(context.Background(), l, handled)
}

// inherit takes over what Spawn left open, and waits for what Send tells. After an error, the monitor knows no more than that.
func inherit(hooks Hooks) (m *monitor, attached *os.File, err error) {
	syscall.Umask(0)
	_ = sys.SetThreadName("moss-monitor") // it would be the number of the program's descriptor
	m = &monitor{hooks: hooks, wake: make(chan struct{}, 1)}
	control, err := sys.Inherit(fdControl, "control", false)
	if err != nil {
		return m, nil, err
	}
	defer control.Close()
	if err := errors.Join(sys.AdoptOrphans(), sys.CloseForeign(fdFirstFree)); err != nil {
		return m, nil, err
	}
	m.users, _ = sys.Inherit(fdUsersLock, "users.lock", false) // as real root there is none
	files, err := m.receive(control, wordFiles)
	if err != nil {
		return m, nil, err
	}
	m.request = files[0]
	if m.signals == nil {
		m.askForSignals()
	}
	if m.self, err = sys.Identify(os.Getpid()); err != nil {
		return m, nil, err
	}
	e, err := m.readEnvelope()
	if err != nil {
		return m, nil, err
	}
	m.req = e.Request
	sys.SetArgument(1, m.req.ContainerID)
	if attached, err = m.take(&e, files[1:]); err != nil {
		return m, nil, err
	}
	if m.control, err = sys.Pollable(control); err != nil {
		return m, nil, err
	}
	return m, attached, nil
}

// take takes over the descriptors that an envelope speaks of.
func (m *monitor) take(e *envelope, passed []*os.File) (attached *os.File, err error) {
	next := func(there bool) (f *os.File) {
		if there && len(passed) > 0 {
			f, passed = passed[0], passed[1:]
		}
		return f
	}
	attached, m.record, m.netns = next(e.Attach), next(e.RecordLock), next(e.NetNS)
	m.more = passed
	if attached == nil {
		return nil, nil
	}
	defer attached.Close()
	return sys.Pollable(attached)
}

// receive takes what Prepare tells, and then the descriptors that come with a word: at least one.
func (m *monitor) receive(control *os.File, with byte) ([]*os.File, error) {
	for {
		word := make([]byte, 1)
		n, files, err := sys.ReceiveFiles(control, word)
		switch {
		case err != nil:
			return nil, err
		case n == 0 || word[0] == with && len(files) == 0:
			return nil, errGivenUp
		case word[0] == with:
			return files, nil
		}
		var number [4]byte
		if _, err := io.ReadFull(control, number[:]); err != nil {
			return nil, err
		}
		if err := m.hear(control, word[0], binary.LittleEndian.Uint32(number[:])); err != nil {
			return nil, err
		}
	}
}

// hear takes what is told before anything is asked for.
func (m *monitor) hear(control *os.File, word byte, number uint32) error {
	if word == wordMaking {
		outline := make([]byte, number)
		if _, err := io.ReadFull(control, outline); err != nil {
			return err
		}
		var e envelope
		err := e.UnmarshalJSON(outline)
		m.req = e.Request
		return err
	}
	if m.hooks.Prepare != nil {
		m.hooks.Prepare(number)
	}
	if m.signals == nil {
		m.askForSignals() // while the stage starts up
	}
	return nil
}

// askForSignals has signals come to m.signals, and not end this process: once it runs, whoever asked for the container may send some. Of a program
// that is locked to its thread, this takes the Go runtime a dozen switches between threads for each of them.
func (m *monitor) askForSignals() {
	m.signals = make(chan os.Signal, 16)
	signal.Notify(m.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGCHLD)
}

// connect waits for what Connect tells.
func (m *monitor) connect() error {
	files, err := m.receive(m.control, wordWiring)
	if err != nil {
		return err
	}
	m.extra = files[1:]
	defer files[0].Close()
	data, err := io.ReadAll(io.NewSectionReader(files[0], 0, 1<<62))
	if err == nil {
		err = m.req.Wiring.UnmarshalJSON(data)
	}
	return err
}

// readEnvelope reads the request from its memory file.
func (m *monitor) readEnvelope() (e envelope, err error) {
	data, _, err := m.readRequest()
	if err == nil {
		err = e.UnmarshalJSON(data)
	}
	if err == nil && e.Request == nil {
		err = errors.New("cannot read the request: it is empty")
	}
	return e, err
}

// readRequest reads both parts of the memory file.
func (m *monitor) readRequest() (data []byte, bundle runtime.Encoded, err error) {
	all, err := io.ReadAll(io.NewSectionReader(m.request, 0, 1<<62))
	if err != nil {
		return nil, nil, err
	}
	return splitRequest(all)
}

// splitRequest undoes encode.
func splitRequest(all []byte) (data []byte, bundle runtime.Encoded, err error) {
	n := 4
	if len(all) >= n {
		n += int(binary.LittleEndian.Uint32(all))
	}
	if len(all) < n {
		return nil, nil, errors.New("cannot read the request: it is cut short")
	}
	return all[4:n], all[n:], nil
}

// begin does everything up to the container's running for the first time. The end of ctx gives the container up.
func (m *monitor) begin(ctx context.Context, attached *os.File) (*life, error) {
	var err error
	if m.launcher, err = m.hooks.Launcher(m.req); err != nil {
		return nil, err
	}
	if err := m.openNotices(); err != nil {
		return nil, err
	}
	l, err := m.createLife(context.WithoutCancel(ctx)) // an OCI runtime that is killed leaves parts
	if err != nil {
		return nil, err
	}
	// While the container is set up by its own first process.
	err = m.prepare(attached)
	if err == nil {
		err = m.connect()
	}
	if err == nil {
		err = m.publish(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.abandon())
	}
	if err := m.settle(ctx, l); err != nil {
		return nil, err
	}
	if !m.wanted() || ctx.Err() != nil {
		defer l.release()
		return nil, errors.Join(errGivenUp, remove(m.req.RunDir+"/"+lifeFile), l.kill(), l.finish(m))
	}
	if err := m.start(l); err != nil {
		return nil, err
	}
	return l, nil
}

// errGivenUp is told to who did not give it up: somebody else ended this process, such as a service manager.
var errGivenUp = errors.New("cannot start the container: its monitor was told to end before that")

// wanted says, once the container is set up, whether whoever called Spawn still wants it to run.
func (m *monitor) wanted() bool {
	gone, err := sys.HungUp(m.control)
	return err == nil && !gone
}

// assemble makes what output and input pass through.
func (m *monitor) assemble() {
	hub := newHub()
	m.out = &output{hub: hub}
	m.in = &input{terminal: m.req.Terminal, once: m.req.StdinOnce}
	m.server = &server{hub: hub, in: m.in}
}

// prepare opens what lasts longer than one life.
func (m *monitor) prepare(attached *os.File) (err error) {
	m.assemble()
	if attached != nil {
		m.server.serve(attached, m.req.OpenStdin)
	}
	if err = remove(m.req.RunDir + "/exit"); err != nil {
		return err
	}
	if m.req.Log.Driver != LogNone {
		if m.out.log, err = logs.Create(m.req.Log.Path, m.req.Log.MaxSize, m.req.Log.MaxFiles); err != nil {
			return fmt.Errorf("cannot open the container's log: %w", err)
		}
	}
	if m.recorder, err = m.hooks.Recorder(m.req); err != nil {
		return err
	}
	if m.layer, err = m.recorder.Hold(); err != nil {
		return err
	}
	return m.server.listen(m.req.RunDir)
}

// publish binds the container's ports.
func (m *monitor) publish(ctx context.Context) (err error) {
	switch {
	case m.req.Wiring.Ports == nil:
	case m.hooks.Ports == nil:
		err = errdefs.Errorf(errdefs.ErrUnavailable, "cannot publish ports: this monitor was built without it")
	default:
		m.ports, m.chosen, err = m.hooks.Ports(ctx, m.req, m.netns, m.extra)
	}
	return err
}

// createLife is create with the bundle, which is not kept in memory.
func (m *monitor) createLife(ctx context.Context) (*life, error) {
	_, bundle, err := m.readRequest()
	if err != nil {
		return nil, err
	}
	return m.create(ctx, bundle)
}

// start releases a created life.
func (m *monitor) start(l *life) error {
	m.out.hub.resume()
	m.present.Store(l)
	if err := l.process.Start(); err != nil {
		m.present.Store(nil)
		defer l.release()
		return errors.Join(err, remove(m.req.RunDir+"/"+lifeFile), l.process.Delete(), l.finish(m))
	}
	return nil
}

// answer tells whoever called Spawn; that it is gone already changes nothing.
func (m *monitor) answer(r reply) {
	if m.control != nil {
		_ = json.NewEncoder(m.control).Encode(r)
	}
}

// forget removes what there is of a container that was being made, or was to vanish, and never ran, unless whoever called Spawn lives, and does that.
func (m *monitor) forget() {
	closeAll(m.record) // a lock that the caller has, too, as long as he lives
	if m.req == nil {
		return // none was being made yet
	}
	if recorder, err := m.hooks.Recorder(m.req); err == nil {
		_ = recorder.Forget() // the next command that looks for such does
	}
}

// keep stays until the container has ended for good, and returns its exit code. handled is from handleSignals.
func (m *monitor) keep(ctx context.Context, l *life, handled <-chan struct{}) int {
	m.lean = time.AfterFunc(time.Second, m.settleDown)
	defer m.lean.Stop()
	exit := Exit{}
	for {
		handled = m.doze(l, handled)
		exit = m.wait(l)
		again := !m.stopped.Load() && m.req.Restart.again(exit.Code, exit.Restarts)
		stop, err := m.recorder.Exited(exit, again)
		// A record that cannot be written must not make a container immortal.
		if !again || stop || err != nil {
			break
		}
		m.pause = pause(m.pause, time.Since(l.began))
		if !m.rest(m.pause) {
			_, _ = m.recorder.Exited(exit, false) // the exit file says it too
			break
		}
		next, err := m.restart(ctx, l, exit)
		if err != nil {
			exit = m.cannotRestart(exit, err)
			l = nil
			break
		}
		l = next
	}
	// Who learns of the end may want all at once that is given back here.
	if l != nil {
		_ = l.process.Delete() // the next start, or rm, finds what is left and removes it
	}
	m.end()
	m.out.hub.finish(exitFrame(exit.Code))
	if l != nil {
		l.release()
	}
	ignoreSignals(m.signals, handled)
	if m.req.Remove {
		_ = m.recorder.Remove() // a container that should be gone is removed by the next command
	}
	m.out.hub.wait()
	return exit.Code
}

// wait waits for the end of a life and makes it known in the run directory.
func (m *monitor) wait(l *life) Exit {
	code, err := l.process.Wait()
	m.present.Store(nil)
	exit := Exit{Code: code, Time: time.Now(), Restarts: l.restarts}
	if err != nil {
		exit.Code, exit.Error = errdefs.ExitEngine, err.Error()
	}
	if o, ok := l.process.(interface{ OOMKilled() bool }); ok {
		exit.OOM = o.OOMKilled()
	}
	if err := l.finish(m); err != nil && exit.Error == "" {
		exit.Error = err.Error()
	}
	_ = writeJSON(m.req.RunDir, "exit", exit) // the record follows
	return exit
}

// restart begins another life.
func (m *monitor) restart(ctx context.Context, ended *life, last Exit) (*life, error) {
	ended.release()
	if err := errors.Join(ended.process.Delete(), remove(m.req.RunDir+"/exit")); err != nil {
		return nil, err
	}
	l, err := m.createLife(ctx)
	if err == nil {
		l.restarts = last.Restarts + 1
		err = m.settle(ctx, l)
	}
	if err == nil {
		err = m.start(l)
	}
	if err != nil {
		return nil, err
	}
	// The container runs, whether or not that can be written down: its Life says so too. But whoever asked for its end meanwhile
	// looked at the life before.
	if err := m.recorder.Running(l.pids, last); errors.Is(err, errdefs.ErrConflict) || m.stopped.Load() {
		_ = l.pids.Container.Signal(syscall.SIGKILL) // it may just have ended
	}
	return l, nil
}

// cannotRestart records a life that could not begin.
func (m *monitor) cannotRestart(last Exit, err error) Exit {
	exit := Exit{Code: errdefs.ExitCode(err, errdefs.Other), Time: time.Now(), Error: err.Error(), Restarts: last.Restarts}
	_ = writeJSON(m.req.RunDir, "exit", exit)
	_, _ = m.recorder.Exited(exit, false) // the exit file says it too
	return exit
}

// rest pauses before a restart; false when the container is not wanted any more.
func (m *monitor) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.wake:
	}
	stop, err := m.recorder.StopRequested()
	return !stop && err == nil && !m.stopped.Load()
}

// end gives back what lasts longer than a life. Errors have no one to go to: what is left over is found
// and removed by the container's next start or removal.
func (m *monitor) end() {
	if m.keeper != nil {
		m.keeper.stop()
	}
	if m.ports != nil {
		_ = m.ports.Close()
	}
	if m.server != nil && m.server.listener != nil {
		_ = m.server.close()
		_ = remove(m.req.RunDir + "/attach")
	}
	if m.notices != nil {
		m.notices.close()
		_ = remove(m.req.RunDir + "/" + NotifySocket)
	}
	for _, path := range m.req.Wiring.Cleanup {
		_ = remove(path)
	}
	if m.out != nil && m.out.log != nil {
		_ = m.out.log.Close()
	}
}

// handleSignals passes SIGTERM on to the container, which then does not start again, and collects the
// orphans of containers in the host's PID namespace. SIGINT is how whoever called Spawn gives up a container that
// does not run yet. Others that would end us are ignored, by a handler and not by SIG_IGN, which the container would
// inherit.
func (m *monitor) handleSignals(giveUp func()) (done chan struct{}) {
	done = make(chan struct{})
	signals := m.signals
	go func() {
		defer close(done)
		for s := range signals {
			l := m.present.Load()
			switch {
			case s == syscall.SIGINT:
				giveUp()
			case s == syscall.SIGTERM:
				m.stopped.Store(true)
				giveUp()
				if l != nil {
					_ = l.pids.Container.Signal(syscall.SIGTERM) // it may just have ended
				}
				select {
				case m.wake <- struct{}{}:
				default:
				}
			case s == syscall.SIGCHLD && l != nil && m.req.Runtime == "":
				sys.ReapOrphans(l.pids.Container.Pid)
			}
		}
	}()
	return done
}

// ignoreSignals ends handleSignals.
func ignoreSignals(signals chan os.Signal, handled <-chan struct{}) {
	signal.Stop(signals)
	close(signals)
	<-handled
}

// settleDown is for those who live longer than a command.
func (m *monitor) settleDown() {
	if m.unrecorded {
		_ = m.recorder.Lasts() // the run directory tells as well, as long as nobody removes that
	}
	if m.keeper == nil {
		m.trim()
		return
	}
	m.keeper.start() // which leaves some to be given back too
}

// idleMemory is from where on a monitor collects garbage: it makes little. The collector's regular runs, every two minutes, would
// only read in again what trim gave back.
const idleMemory = 12 << 20 // bytes

// trim gives back what only the start needed: the monitor may now wait for months.
func (m *monitor) trim() {
	m.out.trim()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(idleMemory)
	debug.FreeOSMemory()
	if pages, err := sys.FindProgramPages(); err == nil {
		pages.Split()
		pages.Drop()
		// All this was itself code that is not needed any more.
		time.AfterFunc(time.Second, pages.Drop)
	}
}
