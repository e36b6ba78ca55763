// Moss-monitor keeps one container; moss starts it. The same program is the stage that becomes a
// container's first process, and the forwarder of published ports, so its imports are few and its memory is small.
package main

import (
	"os"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network/port/forwarder"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

func main() {
	runtime.Stage()
	if os.Args[0] == published.Program {
		os.Exit(forwarder.Main())
	}
	own := runtime.New("/proc/self/exe") // containers are made with this program itself, unless another runtime is asked for
	own.Beside = true
	launcher := func(req *monitor.Request) (runtime.Launcher, error) {
		own.Spare = func() []int { return req.Wiring.Care.Pids() } // it comes later
		if req.Runtime != "" {
			// Its root file system is mounted here, and must be gone with this process, and seen by nobody else: who
			// clears the container's directory would clear the container.
			return runtime.NewOCI(req.Runtime, own.Spare), sys.OwnMounts()
		}
		return own, nil
	}
	os.Exit(monitor.Main(monitor.Hooks{Launcher: launcher, Prepare: own.Prepare, Recorder: recorder, Ports: publish, ContinuePorts: continuePorts}))
}

func recorder(req *monitor.Request) (monitor.Recorder, error) {
	return &state.Recorder{
		Store: &state.Store{Dir: req.StateDir, Brief: true}, ID: req.ContainerID, Volatile: req.Remove, Trees: req.Trees, Volumes: req.Volumes,
	}, nil
}
