package libpod

import (
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/scope"
	"github.com/mosscontainers/moss/pkg/spec"
)

// outlive moves a process that serves all of the user's containers to where it does not end with the unit or session that
// happened to start it. Where there is no systemd it stays.
func outlive(ctx Context, pid int) { _ = scope.Put(ctx, host.User(), pid, scope.Engine) }

// place makes sure of the scope that the container's group goes to, and moves a monitor that is started from a session,
// or by cron, to where it may use it. If that cannot be, the container has none: limits that were asked for are then warned of.
func (s *launch) place(ctx Context, monitor int) {
	uid := host.User()
	if s.c.Cgroups == spec.CgroupsDisabled {
		s.noGroup("--cgroups disabled gives it no control group")
		return
	}
	if s.facts.Cgroup.Parent != scope.Path(uid) {
		return
	}
	if !s.facts.Cgroup.Outside {
		scope.Tidy(uid)
		return
	}
	if s.l != nil && s.c.Stays(s.manager() != "") {
		s.noGroup("its monitor stays in the unit that starts it, and from there the control groups of " + scope.Path(uid) + " cannot be used; a unit of the user's own can (systemctl --user)")
		return
	}
	if err := scope.Put(ctx, uid, monitor, scope.Engine); err != nil {
		s.noGroup(err.Error())
	}
}

// noGroup leaves the container in the control group of its monitor.
func (s *launch) noGroup(why string) {
	s.facts.Cgroup = host.Cgroup{Version: s.facts.Cgroup.Version, Why: why}
}

// enterGroup is how a process gets into the cgroup of a container when its parent, a command in a session, may not
// put it there. Nil for a group that systemd does not know of.
func enterGroup(c *state.Container) func(ctx Context, pid int) error {
	uid, group := host.User(), "/"+c.Spec.ID
	if c.State.Cgroup != scope.Path(uid)+group {
		return nil
	}
	return func(ctx Context, pid int) error { return scope.Put(ctx, uid, pid, group) }
}
