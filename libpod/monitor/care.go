package monitor

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Care says what serves the networks of all of the user's containers, and how it is brought back when it was killed: the
// monitors of those who need it watch it, so that nobody else must run for that.
type Care struct {
	// Watch are files that name processes (sys.WriteProcess). One that is missing names none.
	Watch []string `json:"watch"`
	// Lock is a file; who has locked it brings back what has ended.
	Lock string `json:"lock"`
	// Command does that, with Env, inside the user's namespace. CareUsersLock is its users.lock.
	Command []string `json:"command"`
	Env     []string `json:"env"`
	// Own says that it is about the container's own uplink: the command gets the descriptors CareNetNS and CareKeep too.
	Own bool `json:"own,omitempty"`
	// Log is a file for what it says.
	Log string `json:"log"`
}

// Pids are the processes that are watched: the monitor that had them started is their parent. There are none on nil.
func (c *Care) Pids() []int {
	if c == nil {
		return nil
	}
	var pids []int
	for _, path := range c.Watch {
		if p, err := sys.RecordedProcess(path); err == nil {
			pids = append(pids, p.Pid)
		}
	}
	return pids
}

// Tell adds an event to the log. It is nothing on nil.
func (c *Care) Tell(event string) {
	if c == nil {
		return
	}
	if log, err := c.openLog(); err == nil {
		defer log.Close() // a full disk must not end anything
		fmt.Fprintln(log, time.Now().Format(time.RFC3339), event)
	}
}

// The descriptors of Care.Command after the standard ones.
const (
	CareUsersLock = 3 + iota // users.lock
	CareNetNS                // the container's network namespace
	CareKeep                 // the end of a pipe, which says how long the uplink is to live
)

const (
	// busyPause is how long to wait for another monitor that is at it.
	busyPause = 50 * time.Millisecond
	// A command that does not help is tried again, less and less often.
	firstCarePause, longCarePause = 250 * time.Millisecond, time.Minute
	// crashPause bounds that where it does help, but not for long.
	crashPause = 500 * time.Millisecond
	// maxCareLog is the size from which a log is begun anew.
	maxCareLog = 64 << 10
)

// keeper watches over what a Care names.
type keeper struct {
	care  *Care
	files []*os.File // for the command, from CareUsersLock on; that is nil as real root
	lean  func()     // gives back memory, before a wait that may take months

	mu      sync.Mutex
	waiting *sys.Exits    // what is waited for
	helping bool          // that is a command
	quit    chan struct{} // closed to end
	done    chan struct{} // closed at the end; nil before the start
}

// newKeeper makes the keeper, where there is something to watch.
func (m *monitor) newKeeper() {
	if m.req.Wiring.Care == nil {
		return
	}
	k := &keeper{care: m.req.Wiring.Care, files: []*os.File{m.users}, quit: make(chan struct{})}
	if k.care.Own {
		k.files = append(k.files, m.netns)
		k.files = append(k.files, m.extra...)
	}
	// Once it waits: what its stack grew to can be given back too.
	k.lean = func() { time.AfterFunc(100*time.Millisecond, m.trim) }
	m.keeper = k
}

// start begins to watch; it is nothing after stop, and the second time.
func (k *keeper) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped() || k.done != nil {
		return
	}
	k.done = make(chan struct{})
	go k.keep()
}

// stop ends that. A command that runs goes on.
func (k *keeper) stop() {
	k.mu.Lock()
	close(k.quit)
	if k.waiting != nil {
		k.waiting.Close()
	}
	done := k.done
	k.mu.Unlock()
	if done != nil {
		<-done
	}
}

// waits says that all is well and nothing to be done. It is true of nil.
func (k *keeper) waits() bool {
	if k == nil {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.waiting != nil && !k.helping
}

func (k *keeper) help(is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.helping = is
}

func (k *keeper) stopped() bool {
	select {
	case <-k.quit:
		return true
	default:
		return false
	}
}

// keep waits for an end and has what ended brought back, until stop.
func (k *keeper) keep() {
	defer close(k.done)
	var pause time.Duration
	for !k.stopped() {
		processes, whole := k.processes()
		if whole {
			began := time.Now()
			if k.wait(processes, k.lean) != nil {
				k.rest(longCarePause) // out of descriptors, which its container may be to blame for
			}
			if pause = min(pause, crashPause); time.Since(began) > crashPause {
				pause = 0
			}
			continue
		}
		closeAll(processes...)
		if !k.rest(pause) {
			return
		}
		if k.bringBack() {
			pause = min(max(2*pause, firstCarePause), longCarePause)
		} else {
			k.rest(busyPause)
		}
	}
}

// processes opens what is watched; whole says that all of it lives. Of nil there are none.
func (k *keeper) processes() (pidfds []*os.File, whole bool) {
	if k == nil {
		return nil, true
	}
	whole = true
	for _, path := range k.care.Watch {
		p, err := sys.RecordedProcess(path)
		if err != nil {
			continue
		}
		pidfd, err := p.Open()
		if err != nil {
			whole = false
			continue
		}
		pidfds = append(pidfds, pidfd)
	}
	return pidfds, whole
}

// wait waits until one of the processes has ended, or stop. It calls before when all is ready for that.
func (k *keeper) wait(pidfds []*os.File, before func()) error {
	exits, err := sys.WatchExits(pidfds...)
	if err != nil {
		return err
	}
	defer exits.Close()
	k.mu.Lock()
	k.waiting = exits
	stopped := k.stopped()
	k.mu.Unlock()
	if !stopped {
		before()
		_ = exits.Wait() // of one that is closed it fails, as it should
	}
	k.mu.Lock()
	k.waiting = nil
	k.mu.Unlock()
	return nil
}

// rest pauses; false when it was ended.
func (k *keeper) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-k.quit:
		return false
	}
}

// bringBack runs the command, unless somebody else does, or has. It says whether it ran.
func (k *keeper) bringBack() (tried bool) {
	lock, ok, err := sys.TryLockFile(k.care.Lock)
	if err != nil || !ok {
		return err != nil
	}
	defer lock.Unlock()
	processes, whole := k.processes()
	closeAll(processes...)
	if whole {
		return false
	}
	k.help(true)
	defer k.help(false)
	if child, err := k.run(); err == nil {
		if pidfd, err := sys.OpenPidfd(child.Pid); err == nil {
			_ = k.wait([]*os.File{pidfd}, func() {}) // unlike child.Wait it can be ended
		}
		if !k.stopped() {
			_, _ = child.Wait() // whoever collects orphans may have been quicker
		}
	}
	return true
}

// run starts the command.
func (k *keeper) run() (*sys.Child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log, err := k.care.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := k.care
	return sys.Spawn(c.Command[0], c.Command, "/", c.Env, append([]*os.File{null, log, log}, k.files...), &syscall.SysProcAttr{Setsid: true})
}

// openLog opens the log, and begins it anew when it has become long.
func (c *Care) openLog() (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(c.Log); err == nil && info.Size() > maxCareLog {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(c.Log, flags, 0o600)
}
