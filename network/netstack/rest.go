package netstack

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// quiet is how long nothing comes from the namespace before the program makes itself small.
	quiet = 3 * time.Second
	// garbage is how much more than is in use the heap may be, in per cent. It is in use by little more than packets on
	// their way, so that collecting at the usual 100 would take a third of the time of a transfer.
	garbage = 400
	// memoryLimit is what garbage is collected at in any case.
	memoryLimit = 128 << 20 // bytes
)

// rest gives back what waiting does not need: a connection that is open may be quiet for days.
type rest struct {
	pages   sys.ProgramPages
	packets atomic.Uint64
	awake   atomic.Bool
	asked   uint64 // what packets was when undisturbed was asked last
}

// newRest is awake until nothing has come for a while.
func newRest() *rest {
	debug.SetGCPercent(garbage)
	debug.SetMemoryLimit(memoryLimit)
	r := &rest{}
	r.awake.Store(true)
	r.look(0)
	return r
}

// packet notes that something came.
func (r *rest) packet() {
	n := r.packets.Add(1)
	if r.awake.Load() || !r.awake.CompareAndSwap(false, true) {
		return
	}
	debug.SetGCPercent(garbage)
	r.look(n)
}

// undisturbed says whether nothing has come since it was asked last.
func (r *rest) undisturbed() bool {
	before := r.asked
	r.asked = r.packets.Load()
	return r.asked == before
}

// look rests when nothing has come since the packet of a number, and looks again later if something has.
func (r *rest) look(last uint64) {
	time.AfterFunc(quiet, func() {
		if n := r.packets.Load(); n != last {
			r.look(n)
			return
		}
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
		r.awake.Store(false)
	})
}
