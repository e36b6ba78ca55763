package server

import (
	"runtime/debug"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// quiet is how long nobody asks before the server makes itself small.
	quiet = 5 * time.Second
	// gcPercent is low: a busy server has little, and is to stay so.
	gcPercent = 20
	// memoryLimit is what garbage is collected at in any case.
	memoryLimit = 16 << 20 // bytes
)

// busy puts the next rest off.
func (l *listeners) busy() {
	if !l.rest.Reset(quiet) {
		debug.SetGCPercent(gcPercent)
	}
}

// rest gives back what waiting does not need: the server waits most of its life. The collector's regular runs, every two
// minutes, would only read it in again.
func rest() {
	debug.SetGCPercent(-1)
	debug.FreeOSMemory()
	if pages, err := sys.FindProgramPages(); err == nil {
		pages.Drop()
	}
}
