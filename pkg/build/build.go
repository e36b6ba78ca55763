// Package build makes images of Dockerfiles. BuildKit's front end, which is a library, turns a Dockerfile into a graph of operations; this package
// is what carries the graph out: side by side where operations do not need each other, each remembered by what it depends on, and each RUN as a container.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/pkg/build/replay"
	"github.com/mosscontainers/moss/pkg/build/sbom"
	"github.com/mosscontainers/moss/pkg/build/seen"
	"github.com/mosscontainers/moss/pkg/build/tree"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage/image"
)

// Options are one build.
type Options struct {
	// FrontEnd are the options of BuildKit's front end: build-arg:NAME, target, platform, filename, context:NAME, …
	FrontEnd map[string]string
	// Locals are the directories that the front end may read: context, dockerfile, and those of named contexts.
	Locals map[string]string
	// BuildPlatforms are those whose programs can be run; the first is that of this machine.
	BuildPlatforms []v1.Platform

	Pull     image.Policy // when to pull images that stages begin with
	Registry image.Copying
	// DecryptionKeys open encrypted layers of those images: FILE[:PASSWORD].
	DecryptionKeys []string

	Step    spec.Container // what is the same for the containers of all steps
	Jobs    int            // how many operations work at a time; 0: as many as can
	Secrets map[string]Secret
	Agents  map[string]Agent
	Allow   []string // what Dockerfiles may ask for: AllowInsecure and its like
	// Layouts are directories in OCI's layout of which contexts are images: oci-layout://NAME@DIGEST.
	Layouts map[string]string
	Epoch   *time.Time // what is newer gets this time
	// EpochForAll has what is older get it too, of what the build adds.
	EpochForAll bool
	Stdin       *os.File // of steps; nil is none

	// Progress is told how the build goes on. It is called by one goroutine at a time.
	Progress func(*client.SolveStatus)

	// SourcePolicy is BuildKit's JSON of which sources are allowed, denied or replaced by others; nil allows all.
	SourcePolicy []byte

	CacheTTL   *time.Duration     // what was done longer ago is done anew; nil: nothing is too old
	CacheFrom  []export.CacheSpec // where to look for what is not remembered here
	Provenance Provenance
	Contents   bool   // list what is in the images
	AttestList bool   // and attest it
	Version    string // of moss, for what is attested
	Inline     bool   // images carry what is remembered of their steps
}

// Result is what a build gave.
type Result struct {
	// Answer is set instead of images where the front end was only asked about the Dockerfile (requestid).
	Answer map[string][]byte
	Images []Built // one for each platform
	List   bool    // they are one list, as several are, and one is that the Dockerfile's BUILDKIT_MULTI_PLATFORM asks for
}

// Built is what was built for a platform, not yet an image.
type Built struct {
	Platform v1.Platform
	Config   []byte // the image's configuration, as the front end made it
	Base     []byte // that of the image it begins with; nil for scratch
	Epoch    *time.Time
	// Statements are what is attested of it.
	Statements []export.Statement
	Provenance json.RawMessage // what of that says how it was made; nil where that was not asked for
	Contents   *sbom.List      // nil where it was not asked for
	layers     snapshot
}

// Builder builds with one opened store. Close it.
type Builder struct {
	*solver
	running *running
	started time.Time
	opened  func() *image.Images
}

// descriptors is about how many files an operation has open, and descriptorsBesides what all of them share.
const descriptors, descriptorsBesides = 16, 32

// jobs is how many operations work at a time: not more than can open their files.
func (o *Options) jobs() int {
	most := max(1, (sys.MostDescriptors()-descriptorsBesides)/descriptors)
	if o.Jobs < 1 {
		return most
	}
	return min(o.Jobs, most)
}

// New is a builder with the engine's store.
func New(ctx context.Context, engine *libpod.Engine, o *Options) (*Builder, error) {
	facts, err := engine.Facts()
	if err != nil {
		return nil, err
	}
	s := &solver{
		engine: engine, opts: o, facts: facts, slots: make(chan struct{}, o.jobs()),
		events: &events{tell: o.Progress}, seen: &seen.Notes{}, tasks: map[digest.Digest]*task{}, knowns: knowns{},
	}
	s.cache = &cache{dir: cacheDir(engine), has: s.hasLayer}
	for _, spec := range o.CacheFrom {
		s.foreign = append(s.foreign, &foreign{spec: spec})
	}
	if s.policy, err = readPolicy(o.SourcePolicy); err != nil {
		return nil, err
	}
	running, err := s.cache.run(ctx)
	if err != nil {
		return nil, err
	}
	b := &Builder{solver: s, running: running, started: time.Now()}
	var images *image.Images
	s.images = sync.OnceValues(func() (*image.Images, error) {
		var err error
		images, err = image.Open(context.Background(), engine.Config)
		return images, err
	})
	b.opened = func() *image.Images { return images }
	return b, nil
}

// Close lets go of the store.
func (b *Builder) Close() error {
	errs := []error{b.remotes.close()}
	for _, f := range b.foreign {
		errs = append(errs, f.Close())
	}
	for _, k := range b.knowns {
		errs = append(errs, k.Save())
	}
	if images := b.opened(); images != nil {
		errs = append(errs, images.Close())
	}
	errs = append(errs, b.running.Close())
	return errors.Join(errs...)
}

// Build builds.
func (b *Builder) Build(ctx context.Context) (*Result, error) {
	for _, dir := range b.opts.Locals {
		(&tree.Tree{Root: dir, Seen: b.seen}).Note("") // files that are not there, .dockerignore say, matter too
	}
	res, err := builder.Build(ctx, &frontEnd{solver: b.solver, options: b.opts.FrontEnd})
	if err != nil {
		return nil, explain(err)
	}
	if _, asked := b.opts.FrontEnd["requestid"]; asked {
		return &Result{Answer: res.Metadata}, nil
	}
	var list exptypes.Platforms
	if err := json.Unmarshal(res.Metadata[exptypes.ExporterPlatformsKey], &list); err != nil {
		return nil, fmt.Errorf("cannot understand the result of the front end: %w", err)
	}
	out := &Result{Images: make([]Built, len(list.Platforms)), List: len(res.Refs) > 0}
	for i, p := range list.Platforms {
		if out.Images[i], err = b.built(ctx, res, p); err != nil {
			return nil, err
		}
		if err := b.attest(ctx, &out.Images[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Remember lets the next build be answered without building, where this one has done nothing. args are the command line,
// terminal is what its progress was drawn on.
func (b *Builder) Remember(args []string, terminal string, a replay.Answer, names []string) {
	book := &replay.Book{Config: b.engine.Config, Args: args, Terminal: terminal}
	book.Save(a, names, b.seen, b.started)
}

// built works out the result for a platform.
func (b *Builder) built(ctx context.Context, res *gateway.Result, p exptypes.Platform) (Built, error) {
	ref, suffix := res.Ref, ""
	if ref == nil {
		ref, suffix = res.Refs[p.ID], "/"+p.ID
	}
	out := Built{
		Platform: p.Platform,
		Config:   res.Metadata[exptypes.ExporterImageConfigKey+suffix],
		Base:     res.Metadata[exptypes.ExporterImageBaseConfigKey+suffix],
		Epoch:    b.opts.Epoch,
	}
	if text := res.Metadata["source.date.epoch"+suffix]; text != nil && out.Epoch == nil {
		seconds, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return out, fmt.Errorf("cannot understand the result of the front end: %w", err)
		}
		epoch := time.Unix(seconds, 0).UTC()
		out.Epoch = &epoch
	}
	r, ok := ref.(*deferred)
	if !ok || r == nil {
		return out, nil
	}
	in, err := b.solve(ctx, r.edge)
	if err == nil && in.tree != nil {
		err = b.events.note("copy the files of the result", func(log *vertexLog) error {
			in, err = b.lay(ctx, in, &pb.OpMetadata{}, log)
			return err
		})
	}
	out.layers = in.layers
	return out, err
}
