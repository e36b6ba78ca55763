package netstack

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// garbage is how much more than is in use the heap may be, in per cent. It is in use by little more than packets on
	// their way, so that collecting at the usual 100 would take a third of the time of a transfer.
	garbage = 400
	// memoryLimit is what garbage is collected at in any case.
	memoryLimit = 128 << 20 // bytes
)

// rest gives back what waiting does not need: a connection that is open may say nothing for days.
type rest struct {
	woken   func()
	pages   sys.ProgramPages
	packets atomic.Uint64
	asleep  atomic.Bool
	asked   uint64 // what packets was when quiet was asked last
}

func newRest(woken func()) *rest {
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memoryLimit)
	return &rest{woken: woken}
}

// packet notes that something came.
func (r *rest) packet() {
	r.packets.Add(1)
	if r.asleep.Load() && r.asleep.CompareAndSwap(true, false) {
		debug.SetGCPercent(garbage)
		r.woken()
	}
}

// quiet says whether nothing has come since it was asked last.
func (r *rest) quiet() bool {
	before := r.asked
	r.asked = r.packets.Load()
	return r.asked == before
}

// rest gives back what it can.
func (r *rest) rest() {
	r.asleep.Store(true)
	// The collector's regular runs, every two minutes, would only read in again what is given back.
	debug.SetGCPercent(-1)
	runtime.GC() // a pool keeps what it has for one more collection
	debug.FreeOSMemory()
	if r.pages == nil {
		r.pages, _ = sys.FindProgramPages() // else they stay
		r.pages.Split()
	}
	r.pages.Drop()
	time.AfterFunc(time.Second, r.pages.Drop) // all this was itself code that is not needed any more
}
