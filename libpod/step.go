//go:build !moss_front

package libpod

import (
	"context"
	"errors"
	goruntime "runtime"
	"syscall"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
)

// Step is a container that lives as long as the call that runs it, as one step of a build does: it is the caller's child, dies with it, and
// has neither a record nor a monitor. Otherwise it is started as all containers are.
type Step struct {
	Spec *spec.Container
	// Root has the layers below the step's root, topmost first, and where its changes go.
	Root runtime.Overlay
	// RunDir is for what the step needs while it runs; the caller removes it.
	RunDir string
	Stdio  runtime.Stdio
	// Enter, when not nil, is called on the thread whose namespaces the step is going to copy.
	Enter func() error
}

// stepHostname is the host name of all steps where none is asked for, so that what writes it into its results writes the same each time. It is BuildKit's.
const stepHostname = "buildkitsandbox"

// RunStep runs a step to its end and returns its status as a shell counts it. The end of ctx kills it. Warnings are those of Start.
func (e *Engine) RunStep(ctx Context, s Step) (code int, warnings []string, err error) {
	done := make(chan struct{})
	go func() {
		goruntime.LockOSThread() // a container dies with the thread that made it; this one ends with the goroutine
		defer close(done)
		code, warnings, err = e.runStep(ctx, s)
	}()
	<-done
	return code, warnings, err
}

func (e *Engine) runStep(ctx Context, s Step) (code int, warnings []string, err error) {
	l, b, err := e.prepareStep(ctx, s)
	defer func() { err = errors.Join(err, l.network.abandon()) }()
	if err != nil {
		return 0, nil, err
	}
	if s.Enter != nil {
		if err := s.Enter(); err != nil {
			return 0, nil, err
		}
	}
	encoded, err := b.Encode()
	if err != nil {
		return 0, nil, err
	}
	exe, err := e.monitorProgram()
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, exe.Close()) }()
	forget, err := e.noteGroup(s.Spec.ID, b.Spec.Linux.CgroupsPath)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, forget()) }()
	p, err := runtime.New(exe.path()).Create(ctx, encoded, s.Stdio, l.network.namespace())
	if err != nil {
		return 0, l.warnings, err
	}
	code, err = see(ctx, p)
	return code, l.warnings, err
}

// prepareStep puts together what a step sees, and begins to make its network.
func (e *Engine) prepareStep(ctx Context, s Step) (*launch, *runtime.Bundle, error) {
	l := &launch{Engine: e, record: &state.Record{}, c: s.Spec, runDir: s.RunDir}
	if s.Spec.ID == "" {
		s.Spec.ID = newContainerID()
	}
	s.Spec.Name = names.Short(s.Spec.ID) // others may find it by that
	if err := host.Suffices(); err != nil {
		return l, nil, err
	}
	d, err := e.stepDefaults(s.Spec)
	if err != nil {
		return l, nil, err
	}
	if err := s.Spec.Settle(d); err != nil {
		return l, nil, err
	}
	if s.Spec.Hostname == "" && s.Spec.UTS != "host" && s.Spec.Network.Mode != spec.NetworkHost {
		s.Spec.Hostname = stepHostname
	}
	if err := s.Spec.Validate(); err != nil {
		return l, nil, err
	}
	if err := e.nameNetworks(s.Spec); err != nil {
		return l, nil, err
	}
	if l.network, err = e.makeNetwork(ctx, s.Spec, nil); err != nil {
		return l, nil, err
	}
	if err := l.makeScratch(); err != nil {
		return l, nil, err
	}
	b, err := l.bundle(ctx, syscall.Getpid())
	if err == nil {
		err = l.connect(ctx, syscall.Getpid())
	}
	if err != nil {
		return l, nil, err
	}
	places, err := e.mountPoints()
	if err != nil {
		return l, nil, err
	}
	s.Root.Lower = append(s.Root.Lower[:len(s.Root.Lower):len(s.Root.Lower)], places)
	s.Root.UserXattr, s.Root.Volatile = l.facts.OverlayUserXattr(), true
	b.Overlay = &s.Root
	return l, b, nil
}

// see sees a container through to its end.
func see(ctx context.Context, p runtime.Process) (code int, err error) {
	if err := p.Ready(ctx); err != nil {
		return 0, errors.Join(err, context.Cause(ctx))
	}
	if err := p.Start(); err != nil {
		return 0, errors.Join(err, p.Delete())
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(p.Pid(), syscall.SIGKILL) }) // it has not been waited for
	code, err = p.Wait()
	stop()
	return code, errors.Join(err, p.Delete(), context.Cause(ctx))
}
