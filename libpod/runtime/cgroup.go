package runtime

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// cgroup is the control group of a container; with path "" it has none and everything succeeds.
type cgroup struct {
	path    string
	manager cgroups.Manager
	dir     *os.File // its directory on cgroup v2, where clone(2) can start a process in it
}

// openCgroup finds the group at path, which is relative to the hierarchies' mount points.
func openCgroup(path string, r *cgroups.Resources) (*cgroup, error) {
	if path == "" {
		return &cgroup{}, nil
	}
	config := &cgroups.Cgroup{Path: path, Resources: r}
	var m cgroups.Manager
	var err error
	if cgroups.IsCgroup2UnifiedMode() {
		m, err = fs2.NewManager(config, "")
	} else {
		m, err = fs.NewManager(config, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use cgroup %s: %w", path, err)
	}
	return &cgroup{path: path, manager: m}, nil
}

// createCgroup makes a group with its limits. makes says that who is in there can make devices, and so must have the rules about
// them, where r has some.
func createCgroup(path string, r *specs.LinuxResources, makes bool) (*cgroup, error) {
	limits := cgroupResources(r)
	g, err := openCgroup(path, limits)
	if err != nil {
		return nil, err
	}
	switch {
	case !limitsDevices(r):
	case g.rulesDevices():
		if err := limitDevices(limits, r.Devices); err != nil {
			return nil, err
		}
	case makes:
		return nil, errdefs.Errorf(errdefs.ErrUnavailable,
			"it cannot have the capability MKNOD: there is no control group here that keeps it from the devices it was not given; use --privileged")
	}
	if path == "" {
		return g, nil
	}
	if err := g.createOutside(limits); err != nil {
		return nil, joinErrors(fmt.Errorf("cannot create cgroup %s: %w", path, err), g.destroy())
	}
	return g, nil
}

// joinCgroup finds a group for one more process, which has to keep to its rules about devices too, where it has some.
func joinCgroup(path string) (*cgroup, error) {
	limits := cgroupResources(nil)
	g, err := openCgroup(path, limits)
	if err != nil || path == "" {
		return g, err
	}
	dir := g.manager.Path(devicesController)
	limits.SkipDevices = dir == "" || !sys.Exists(dir)
	return g, nil
}

func (g *cgroup) create(limits *cgroups.Resources) error {
	if err := g.manager.Apply(-1); err != nil {
		return err
	}
	if err := g.manager.Set(limits); err != nil {
		return err
	}
	return g.openDir()
}

// createOutside is create by a thread that has the program's own mounts. The library keeps the directory of all groups open, for good, as the first thread
// sees it that asks: that of a step of a build has a mount namespace of its own, and once that is gone, hierarchies of version 1 are not in the directory any more.
func (g *cgroup) createOutside(limits *cgroups.Resources) error {
	if cgroups.IsCgroup2UnifiedMode() {
		return g.create(limits)
	}
	created := make(chan error)
	go func() { created <- g.create(limits) }()
	return <-created
}

// openDir opens the one directory that the group is on cgroup v2.
func (g *cgroup) openDir() error {
	if g.manager == nil || !cgroups.IsCgroup2UnifiedMode() {
		return nil
	}
	dir, err := os.Open(g.manager.Path(""))
	g.dir = dir
	return err
}

// add puts a process into the group.
func (g *cgroup) add(pid int) error {
	if g.manager == nil {
		return nil
	}
	if err := g.manager.Apply(pid); err != nil {
		return fmt.Errorf("cannot put process %d into cgroup %s: %w", pid, g.path, err)
	}
	return nil
}

// kill ends all processes of the group and waits until it is empty.
func (g *cgroup) kill() error {
	for {
		pids, err := g.processes()
		if errors.Is(err, os.ErrNotExist) || err == nil && len(pids) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot list the processes of cgroup %s: %w", g.path, err)
		}
		for _, pid := range pids {
			if pid == 0 { // one that is just vanishing; for kill(2) it would be our own process group
				continue
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
				return fmt.Errorf("cannot end process %d of cgroup %s: %w", pid, g.path, err)
			}
			_, _ = syscall.Wait4(pid, nil, 0, nil) // ours to reap only when it was orphaned
		}
		time.Sleep(time.Millisecond)
	}
}

// processes are those of the group and of groups below it. Every hierarchy has them all; which ones a host has differs,
// and the library looks in one of them only.
func (g *cgroup) processes() ([]int, error) {
	for _, dir := range g.manager.GetPaths() {
		pids, err := cgroups.GetAllPids(dir)
		if !errors.Is(err, os.ErrNotExist) {
			return pids, err
		}
	}
	return nil, nil
}

// RemoveCgroup ends what is left of a container whose monitor was killed, and removes its group. It is given as in
// Target; none is fine.
func RemoveCgroup(path string) error {
	g, err := openCgroup(path, cgroupResources(nil))
	if err != nil || path == "" {
		return err
	}
	return joinErrors(g.kill(), g.destroy())
}

// oomKilled says whether the kernel ended a process of the group for want of memory: memory.events of cgroup v2,
// memory.oom_control of v1. Where nobody counts, none was.
func (g *cgroup) oomKilled() bool {
	if g.manager == nil {
		return false
	}
	n, err := g.manager.OOMKillCount()
	return err == nil && n > 0
}

// destroy removes the group.
func (g *cgroup) destroy() error {
	if g.manager == nil {
		return nil
	}
	if g.dir != nil {
		g.dir.Close()
		g.dir = nil
	}
	if err := g.manager.Destroy(); err != nil {
		return fmt.Errorf("cannot remove cgroup %s: %w", g.path, err)
	}
	return nil
}

// CgroupProcesses are the processes of a container's group, given as for RemoveCgroup.
func CgroupProcesses(path string) ([]int, error) {
	g, err := openCgroup(path, cgroupResources(nil))
	if err != nil || path == "" {
		return nil, err
	}
	pids, err := g.processes()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the processes of cgroup %s: %w", path, err)
	}
	return slices.DeleteFunc(pids, func(pid int) bool { return pid == 0 }), nil // one that is just being collected
}
