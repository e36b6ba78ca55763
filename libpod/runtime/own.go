package runtime

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/sys"
)

// New is Moss's own launcher. exe is the path of the program whose main calls Stage first, best a sealed memory
// file such as /proc/PID/fd/N: a container can see it as /proc/self/exe and must not be able to write to it.
//
// The caller is root of the user's user namespace, or of the host. When a container has no PID namespace of
// its own, the caller is to be a child subreaper with no other children but those of Spare: Wait kills what it finds below it.
//
// A container dies with the thread that called Create: the caller stays on its own (runtime.LockOSThread) for as long
// as the container is to live.
func New(exe string) *Own { return &Own{exe: exe} }

// Own is Moss's own launcher.
type Own struct {
	exe string
	// Beside has containers set up by threads of the caller where that can be (beside.go). It must have been executed as root of the user's user namespace: who has
	// only joined it since has memory that belongs to another one, and may not look at its own children when that is secret. A container
	// can see the caller's program, then, as it can see exe.
	Beside bool
	// Spare, when not nil, names children of the caller that are not a container's.
	Spare func() []int
	// ready is a stage that waits for its order in these new namespaces, nil when there is none.
	ready  *process
	spaces *namespaces
}

// Fresh encodes, for Prepare, the namespaces that a container is going to get for itself.
func Fresh(list []specs.LinuxNamespaceType) uint32 {
	flags := sys.CloneMount
	for _, kind := range list {
		flags |= kinds[kind]
	}
	return uint32(flags)
}

// Prepare starts the stage of the container that the first Create makes, while it is not yet known what that will be: a
// program takes as long to start as to set most containers up. fresh is from Fresh; a container that turns out to need
// others only takes longer. Who knows better tells again. The caller is as for Create.
func (l *Own) Prepare(fresh uint32) {
	if l.ready != nil {
		l.ready.abandon()
	}
	l.spaces = &namespaces{fresh: int(fresh)}
	start := launch{exe: l.exe, name: stageInit, spaces: l.spaces, group: &cgroup{}, apart: !l.Beside}
	l.ready, _ = start.start() // Create tells what is wrong
}

// take is the stage that is ready, if it fits what is to be started. A process has its descriptors from its beginning.
func (l *Own) take(what *launch) *process {
	p := l.ready
	l.ready = nil
	if p == nil {
		return nil
	}
	_, beside := p.line.(*beside)
	fits := what.mayBeBeside()
	if !beside {
		fits = len(what.stdio.More) == 0
	}
	if !fits || what.spaces.cloned() != l.spaces.cloned() {
		p.abandon()
		return nil
	}
	return p
}

func (l *Own) Create(ctx context.Context, b Encoded, io Stdio, netns *os.File) (Process, error) {
	p, err := l.create(ctx, b, io, netns, nil)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// create begins to set a container up; start is of its order.
func (l *Own) create(ctx context.Context, b Encoded, io Stdio, netns, start *os.File) (*process, error) {
	var o outline
	if err := o.UnmarshalJSON(b); err != nil {
		return nil, fmt.Errorf("cannot read the container's configuration: %w", err)
	}
	if err := os.MkdirAll(mountPoint(o.RunDir), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make a place for the root file system: %w", err)
	}
	linux := &o.Spec.Linux
	limits, err := o.resources()
	if err != nil {
		return nil, fmt.Errorf("cannot read the container's limits: %w", err)
	}
	spaces, err := openNamespaces(ctx, linux.Namespaces, netns)
	if err != nil {
		return nil, err
	}
	defer spaces.close()
	group, err := createCgroup(linux.CgroupsPath, limits, slices.Contains(o.Spec.Process.Capabilities.Bounding, "CAP_MKNOD"))
	if err != nil {
		return nil, fmt.Errorf("cannot start container %s: %w", o.ID, err)
	}
	stage := &launch{
		exe: l.exe, name: stageInit, spaces: spaces, group: group, stdio: io,
		apart: !l.Beside || o.ownMemory(limits),
		order: order{Bundle: b, kinds: spaces.joined(), loopback: spaces.fresh&sys.CloneNet != 0, start: start},
	}
	stage.ready = l.take(stage)
	p, err := stage.begin()
	if err != nil {
		return nil, joinErrors(err, group.destroy())
	}
	p.group, p.spare = group, l.Spare
	p.ownPIDs = spaces.fresh&sys.ClonePID != 0
	return p, nil
}

func checkBundle(b *Bundle) error {
	s := b.Spec
	switch {
	case s == nil || s.Process == nil || s.Linux == nil:
		return fmt.Errorf("cannot start container %s: its configuration is not complete", b.ID)
	case len(s.Process.Args) == 0:
		return errNoArgs
	case b.Overlay == nil && (s.Root == nil || s.Root.Path == ""):
		return fmt.Errorf("cannot start container %s: it has no root file system", b.ID)
	case s.Process.ApparmorProfile != "" || s.Process.SelinuxLabel != "":
		return fmt.Errorf("cannot start container %s: this launcher cannot set security labels; use --runtime", b.ID)
	case len(s.Linux.UIDMappings) > 0 || hasNamespace(s, specs.UserNamespace):
		return fmt.Errorf("cannot start container %s: this launcher makes no user namespace; use --runtime", b.ID)
	}
	return nil
}

func hasNamespace(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	for _, n := range s.Linux.Namespaces {
		if n.Type == kind {
			return true
		}
	}
	return false
}
