package sys

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

// collecting guards the runtime's limit of memory.
var collecting sync.Mutex

// CollectLater puts off the first collection of garbage, which would take a quarter of the time of a short command, until there is so much memory,
// in bytes. From then on it is done as ever.
func CollectLater(first int64) {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(first)
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		collecting.Lock()
		defer collecting.Unlock()
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	}, struct{}{})
}

// mostUntouched bounds what Untouched adds up to, in bytes.
const mostUntouched = 256 << 20

// Untouched is about to be allocated, by code that never uses it: as long as nothing was collected it is no memory at all, so the first collection
// need not come sooner for it, and what is allocated after that has to be cleared. An eighth more is what the runtime has to know of it, and leaves unused.
func Untouched(bytes int64) {
	collecting.Lock()
	defer collecting.Unlock()
	if limit := debug.SetMemoryLimit(-1); limit < mostUntouched {
		debug.SetMemoryLimit(limit + bytes + bytes/8)
	}
}
