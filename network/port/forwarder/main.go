package forwarder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

// mostCores is how many cores it uses at most: each container's connections are moved by one goroutine, and what the Go runtime has for a core takes memory.
const mostCores = 8

// Main is the forwarder's process, which published.Forwarder starts with the run directory as its argument. It returns the exit code.
func Main() int {
	runtime.LockOSThread() // the first thread shows others where the process is, and is not one that goes to the containers
	_ = sys.SetThreadName(published.Program)
	runtime.GOMAXPROCS(min(runtime.NumCPU(), mostCores))
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", published.Program, err)
		return 1
	}
	return 0
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: moss-ports RUNDIR, as moss starts it")
	}
	ready, err := sys.Inherit(helper.ReadyFD, "ready", true)
	if err != nil {
		return err
	}
	f, err := start(os.Args[1])
	_, writeErr := io.WriteString(ready, helper.Answer(err))
	if err = errors.Join(err, writeErr, ready.Close()); err != nil {
		return err
	}
	return f.Serve()
}

// start opens what needs a file, and gives up what a forwarder does not need.
func start(runDir string) (*Forwarder, error) {
	f, err := Start(runDir)
	if err != nil {
		return nil, err
	}
	return f, errors.Join(sys.ConfineVisitor(), sys.ConfineFiles(runDir))
}
