package libpod

import (
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/scope"
	"github.com/mosscontainers/moss/rootless"
)

// outlive moves a process that serves all of the user's containers to where it does not end with the unit or session that
// happened to start it. Where there is no systemd it stays.
func outlive(ctx Context, pid int) { _ = scope.Put(ctx, rootless.HostUID(), pid, scope.Engine) }

// place moves the monitor of a container that is started from a session, or by cron, to where it may have control
// groups. If that cannot be, the container has none: limits that were asked for are then warned of.
func (s *launch) place(ctx Context, monitor int) {
	if !s.facts.Cgroup.Outside {
		return
	}
	if err := scope.Put(ctx, rootless.HostUID(), monitor, scope.Engine); err != nil {
		s.facts.Cgroup = host.Cgroup{Version: s.facts.Cgroup.Version, Why: err.Error()}
	}
}

// enterGroup is how a process gets into the cgroup of a container when its parent, a command in a session, may not
// put it there.
func enterGroup(id string) func(ctx Context, pid int) error {
	return func(ctx Context, pid int) error { return scope.Put(ctx, rootless.HostUID(), pid, "/"+id) }
}
