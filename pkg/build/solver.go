package build

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/sourcepolicy"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/build/graph"
	"github.com/mosscontainers/moss/pkg/build/replay"
	"github.com/mosscontainers/moss/pkg/build/seen"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// solver carries out the operations of graphs, each once.
type solver struct {
	engine  *libpod.Engine
	opts    *Options
	facts   host.Facts
	cache   *cache
	slots   chan struct{} // one for each operation that works
	events  *events
	seen    *seen.Notes
	images  func() (*image.Images, error) // opens the store, the first time
	bases   bases
	written written
	remotes remotes
	policy  *sourcepolicy.Engine

	foreign []*foreign

	mu     sync.Mutex
	used   used
	tasks  map[digest.Digest]*task
	knowns knowns
}

// task is an operation that is carried out once, whoever asks for it.
type task struct {
	once sync.Once
	out  []result
	err  error
}

// temp is the directory of this build for big temporary files. The next command sweeps it if this one is killed.
func (s *solver) temp() (string, error) {
	images, err := s.images()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return images.Store().TempDir()
}

// solve gives the result of an edge.
func (s *solver) solve(ctx context.Context, e graph.Edge) (result, error) {
	if e.Vertex == nil {
		return result{}, nil
	}
	s.mu.Lock()
	t := s.tasks[e.Vertex.Digest]
	if t == nil {
		t = &task{}
		s.tasks[e.Vertex.Digest] = t
	}
	s.mu.Unlock()
	t.once.Do(func() { t.out, t.err = s.vertex(ctx, e.Vertex) })
	if t.err != nil {
		return result{}, t.err
	}
	if e.Index < 0 || e.Index >= len(t.out) {
		return result{}, fmt.Errorf("cannot use the result of %s: it has no output %d", e.Vertex.Name(), e.Index)
	}
	return t.out[e.Index], nil
}

// vertex solves what an operation needs, side by side, and then the operation.
func (s *solver) vertex(ctx context.Context, v *graph.Vertex) ([]result, error) {
	inputs := make([]result, len(v.Inputs))
	group, inner := errgroup.WithContext(ctx)
	for i, e := range v.Inputs {
		group.Go(func() (err error) {
			inputs[i], err = s.solve(inner, e)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, v.Locate(err) // a source has no lines of its own: those of who wants it are told
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	step := &step{solver: s, v: v, inputs: inputs, log: s.events.begin(v)}
	out, err := step.run(ctx)
	shown := err
	if err != nil {
		err = v.Locate(err)
		if ctx.Err() != nil { // it is another step that failed, or nobody wants this one any more
			shown = context.Canceled
		}
	}
	step.log.end(step.cached, shown)
	return out, err
}

// step is an operation that is being carried out.
type step struct {
	*solver
	v      *graph.Vertex
	inputs []result
	log    *vertexLog
	cached bool
	held   *sys.Lock // keeps prune from what was made and is not remembered yet; nil where nothing was
}

func (t *step) run(ctx context.Context) ([]result, error) {
	if err := t.layInputs(ctx); err != nil {
		return nil, err
	}
	switch op := t.v.Op.Op.(type) {
	case *pb.Op_Source:
		return t.source(ctx, op.Source)
	case *pb.Op_File:
		return t.remembered(ctx, &files{step: t, op: op.File})
	case *pb.Op_Exec:
		return t.remembered(ctx, &execution{step: t, op: op.Exec})
	case *pb.Op_Merge:
		return t.remembered(ctx, &merge{step: t, op: op.Merge})
	case *pb.Op_Diff:
		return t.remembered(ctx, &difference{step: t, op: op.Diff})
	case *pb.Op_Passthrough:
		return t.inputs, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot build %s: this kind of operation (%T) is not known", t.v.Name(), t.v.Op.Op)
}

// work is an operation whose result is a layer, or some, that can be remembered.
type work interface {
	// quick names the result by what the inputs are; "" where an input is a directory, whose name says nothing.
	quick() string
	// content names the result by what is read of the inputs.
	content(ctx context.Context) (string, error)
	// do makes the result: the snapshot, and how many layers of it are its input's.
	do(ctx context.Context) (layers snapshot, parent int, err error)
}

// remembered carries out an operation unless it is known what comes of it. A result is known by two keys: the first costs nothing to
// find, and the second is the same also where only what is not read of the inputs has changed.
func (t *step) remembered(ctx context.Context, w work) ([]result, error) {
	quick := w.quick()
	if r := t.recall(ctx, quick); r != nil {
		return r.results(), nil
	}
	content, err := w.content(ctx)
	if err != nil {
		return nil, err
	}
	if r := t.recall(ctx, content); r != nil {
		if quick == "" {
			return r.results(), nil
		}
		return r.results(), t.cache.add(r, quick)
	}
	if r := t.recallElsewhere(ctx, quick, content); r != nil {
		return r, nil
	}
	lock, err := t.cache.lock(ctx, content)
	if err != nil {
		return nil, err
	}
	out, err := t.make(ctx, w, quick, content)
	return out, errors.Join(err, lock.Unlock())
}

// make carries out an operation that nobody else is at.
func (t *step) make(ctx context.Context, w work, keys ...string) ([]result, error) {
	if r := t.recall(ctx, keys[1]); r != nil { // somebody else was
		return r.results(), nil
	}
	t.seen.Doubt()
	if err := t.acquire(ctx); err != nil {
		return nil, err
	}
	sys.DropProgram() // a step needs little of it
	layers, parent, err := w.do(ctx)
	<-t.slots
	defer t.release()
	if err != nil {
		return nil, err
	}
	if keys[0] == "" {
		keys = keys[1:]
	}
	r := &Record{Name: t.v.Name(), Layers: layers, Parent: parent, Created: time.Now()}
	t.note(r, keys...)
	return []result{{layers: layers}}, t.cache.add(r, keys...)
}

// release lets prune go on.
func (t *step) release() {
	if t.held != nil {
		_ = t.held.Unlock() // closing a file that was not written to
	}
}

// acquire waits until there is one operation less at work than may be.
func (t *step) acquire(ctx context.Context) error {
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recall is what is remembered under a key, nil where that is nothing or not wanted.
func (t *step) recall(ctx context.Context, key string) *Record {
	if key == "" || t.v.Meta.IgnoreCache {
		return nil
	}
	r := t.cache.find(ctx, key)
	if r == nil || t.opts.CacheTTL != nil && time.Since(r.Created) > *t.opts.CacheTTL {
		return nil
	}
	t.cached = true
	t.note(r, key)
	t.seen.Step(stepFile(key), r.data, r.Layers.top())
	return r
}

// commit makes a layer of a draft, and uses the draft up.
func (t *step) commit(ctx context.Context, d *draft) (snapshot, error) {
	images, err := t.images()
	if err != nil {
		return nil, err
	}
	if err := d.unmount(); err != nil {
		return nil, err
	}
	upper := store.Upper{Dir: d.upper(), Take: true, Keep: true}
	created := time.Now().UTC()
	if t.opts.Epoch != nil {
		created, upper.Latest, upper.EarlierToo = *t.opts.Epoch, *t.opts.Epoch, t.opts.EpochForAll
	}
	if t.held, err = t.cache.hold(ctx); err != nil { // until it is remembered
		return nil, err
	}
	l, err := images.Store().Cache(func() (*store.Layer, error) { return images.Store().CommitLayer(ctx, d.below.top(), upper) })
	if err != nil {
		return nil, err
	}
	return d.below.on(layer{ID: l.ID, DiffID: l.DiffID, Created: created}), nil
}

// opKey is an operation as a part of a key: without its inputs, which are named by what they contain, and all that does not matter.
func (t *step) opKey(op *pb.Op) (string, error) {
	plain := op.CloneVT()
	plain.Inputs, plain.Constraints = nil, nil
	if e := plain.GetExec(); e != nil {
		e.Meta.ProxyEnv = nil
	}
	data, err := plain.MarshalVT()
	if t.opts.Epoch != nil {
		data = append(data, t.opts.Epoch.String()...)
	}
	if t.opts.EpochForAll {
		data = append(data, " for all"...)
	}
	return string(data), err
}

// cacheDir is where builds remember what they did.
func cacheDir(engine *libpod.Engine) string { return replay.Dir(engine.Config.Storage) }
