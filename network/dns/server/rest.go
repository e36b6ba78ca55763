package server

import (
	"runtime/debug"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// quiet is how long nobody asks before the server makes itself small.
const quiet = 5 * time.Second

// gcPercent is low: the server has little, and is to stay so.
const gcPercent = 20

// rest gives back what waiting does not need: the server waits most of its life.
func rest() {
	debug.SetGCPercent(gcPercent)
	debug.FreeOSMemory()
	if pages, err := sys.FindProgramPages(); err == nil {
		pages.Drop()
	}
}
