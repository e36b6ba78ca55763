package sys

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestUntouchedMemoryPutsOffOnlyTheFirstCollection(t *testing.T) {
	t.Cleanup(func() {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	const first, more = 200 << 20, 1 << 20
	CollectLater(first)
	Untouched(more)
	if limit := debug.SetMemoryLimit(-1); limit < first+more || limit > first+2*more {
		t.Errorf("the limit is %d", limit)
	}
	for range 100 {
		Untouched(more)
	}
	if limit := debug.SetMemoryLimit(-1); limit > mostUntouched+2*more {
		t.Errorf("the limit has no bound: %d", limit)
	}
	runtime.GC()
	for debug.SetMemoryLimit(-1) != math.MaxInt64 {
		time.Sleep(time.Millisecond)
	}
	Untouched(more)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		t.Errorf("after a collection the limit is %d", limit)
	}
}
