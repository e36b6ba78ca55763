// Moss-monitor keeps one container; moss starts it. The same program is the stage that becomes a
// container's first process, so its imports are few and its memory is small.
package main

import (
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
)

func main() {
	runtime.Stage()
	os.Exit(monitor.Main(monitor.Hooks{Launcher: launcher, Recorder: recorder, Ports: ports}))
}

// launcher makes containers with this program itself, unless another runtime was asked for.
func launcher(req *monitor.Request) (runtime.Launcher, error) {
	if req.Runtime != "" {
		return runtime.NewOCI(req.Runtime), nil
	}
	return runtime.New("/proc/self/exe"), nil
}

func recorder(req *monitor.Request) (monitor.Recorder, error) {
	return &state.Recorder{
		Store: &state.Store{Dir: req.StateDir}, ID: req.ContainerID, Volatile: req.Remove, Trees: req.Trees,
	}, nil
}
