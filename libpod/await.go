package libpod

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// noCode is the exit code that Await has of a container that has not ended.
const noCode = -1

// awaits is what Await can wait for, by the names that Podman's wait and Docker's API have for it.
var awaits = map[string]func(*awaiting, Context) (int, error){
	"stopped":     (*awaiting).end,
	"exited":      (*awaiting).end,
	"not-running": (*awaiting).end,
	"next-exit":   (*awaiting).nextEnd,
	"removed":     (*awaiting).removal,
	"removing":    (*awaiting).removal,
	"running":     (*awaiting).beginning,
	"stopping":    status(state.Stopping),
	"created":     status(state.Created),
	"configured":  status(state.Created),
	"initialized": status(state.Created),
}

// neverAwaited are conditions of Podman's that no container of ours ever is in.
var neverAwaited = map[string]string{
	"healthy":   "containers have no health checks",
	"unhealthy": "containers have no health checks",
	"paused":    "containers are never paused",
	"unknown":   "it is always known what a container is",
}

// CheckConditions says what is wrong with conditions for Await.
func CheckConditions(conditions []string) error {
	for _, name := range conditions {
		if why := neverAwaited[name]; why != "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot wait for %q: %s", name, why)
		}
		if awaits[name] == nil {
			known := make([]string, 0, len(awaits))
			for name := range awaits {
				known = append(known, name)
			}
			slices.Sort(known)
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot wait for %q: the conditions are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Await waits until one of some conditions holds for a container and returns its exit code, -1 where it has not ended. What is not
// an end is looked for every so often.
func (e *Engine) Await(ctx Context, ref string, conditions []string, interval time.Duration) (int, error) {
	c, err := e.Whole(ref)
	if err != nil {
		return 0, err
	}
	a := &awaiting{engine: e, first: c, interval: interval}
	if len(conditions) == 1 {
		return awaits[conditions[0]](a, ctx)
	}
	code, errs := First(ctx, conditions, func(ctx context.Context, name string) (int, error) { return awaits[name](a, ctx) })
	if len(errs) > 0 {
		return 0, errs[len(errs)-1]
	}
	return code, nil
}

// First does something with all of a list side by side, and gives what comes of the one that is done first, while the others are told to end. Where none
// succeeds there are the errors of all.
func First[K, T any](ctx Context, list []K, do func(context.Context, K) (T, error)) (done T, errs []error) {
	var working sync.WaitGroup
	defer working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	results := make(chan result, len(list)) // nobody has to be there to take them
	for _, one := range list {
		working.Go(func() {
			value, err := do(ctx, one)
			results <- result{value, err}
		})
	}
	for range list {
		r := <-results
		if r.err == nil {
			return r.value, nil
		}
		errs = append(errs, r.err)
	}
	return done, errs
}

// awaiting is one wait for one container.
type awaiting struct {
	engine   *Engine
	first    *state.Container // as it was when the wait began
	interval time.Duration
}

func (a *awaiting) end(ctx Context) (int, error) { return a.engine.wait(ctx, a.first) }

// nextEnd is the end of the life that the container has, or else of the next one.
func (a *awaiting) nextEnd(ctx Context) (int, error) {
	if _, err := a.beginning(ctx); err != nil {
		return 0, err
	}
	return a.engine.Wait(ctx, a.first.Spec.ID)
}

// beginning is that the container runs, or has run and ended since the wait began.
func (a *awaiting) beginning(ctx Context) (int, error) {
	return noCode, a.poll(ctx, func(now *state.Container) bool {
		return now.State.Status == state.Running || !now.State.StartedAt.Equal(a.first.State.StartedAt)
	})
}

func (a *awaiting) removal(ctx Context) (int, error) {
	code, err := a.end(ctx)
	if err == nil {
		err = a.poll(ctx, func(*state.Container) bool { return false })
	}
	if errors.Is(err, errdefs.ErrNotFound) {
		err = nil
	}
	return code, err
}

// status waits for one of the statuses that a record has.
func status(want state.Status) func(*awaiting, Context) (int, error) {
	return func(a *awaiting, ctx Context) (int, error) {
		return noCode, a.poll(ctx, func(now *state.Container) bool { return now.State.Status == want })
	}
}

// poll looks at the container until it is as wanted; ErrNotFound says that it was removed.
func (a *awaiting) poll(ctx Context, wanted func(*state.Container) bool) error {
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	for {
		now, err := a.engine.Store.Read(a.first.Spec.ID)
		if errors.Is(err, errdefs.ErrNotFound) || err == nil && now.Gone() {
			return errdefs.Errorf(errdefs.ErrNotFound, "container %s has been removed", a.first.Spec.Name)
		}
		if err != nil {
			return err
		}
		now.State = now.State.Observed()
		if wanted(now) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
