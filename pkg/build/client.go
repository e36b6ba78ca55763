package build

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/mosscontainers/moss/pkg/build/graph"
	"github.com/mosscontainers/moss/pkg/build/source"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// frontEnd is what BuildKit's front end for Dockerfiles asks of whoever builds. It runs in this process.
type frontEnd struct {
	*solver
	options map[string]string
}

var _ gateway.Client = (*frontEnd)(nil)

// BuildOpts are the front end's options and what there is to build with.
func (f *frontEnd) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{
		Opts: f.options, SessionID: "moss", Product: "moss",
		Workers: []gateway.WorkerInfo{{ID: "moss", Platforms: f.opts.BuildPlatforms}},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(gwpb.Caps.All()),
	}
}

// Inputs are none: contexts are named by options.
func (f *frontEnd) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

// NewContainer is for front ends that run programs of their own.
func (f *frontEnd) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot run a container for the front end: only those of the build's own steps are run")
}

// Warn passes a warning on.
func (f *frontEnd) Warn(_ context.Context, vertex digest.Digest, message string, o gateway.WarnOpts) error {
	f.events.send(&client.SolveStatus{Warnings: []*client.VertexWarning{{
		Vertex: vertex, Level: o.Level, Short: []byte(message), Detail: o.Detail, URL: o.URL, SourceInfo: o.SourceInfo, Range: o.Range,
	}}})
	return nil
}

// Solve gives the result of a graph, or of a Dockerfile whose syntax line names a version of the language.
func (f *frontEnd) Solve(ctx context.Context, r gateway.SolveRequest) (*gateway.Result, error) {
	if r.Frontend != "" {
		return f.syntax(ctx, r.FrontendOpt)
	}
	end, err := graph.Parse(r.Definition)
	if err != nil {
		return nil, err
	}
	ref := &deferred{solver: f.solver, edge: end, def: r.Definition}
	if r.Evaluate {
		err = ref.Evaluate(ctx)
	}
	res := gateway.NewResult()
	res.SetRef(ref)
	return res, err
}

// syntax builds a Dockerfile with a syntax line. The languages of docker/dockerfile are the built-in one; programs that make something else of
// it are never run.
func (f *frontEnd) syntax(ctx context.Context, options map[string]string) (*gateway.Result, error) {
	source := options["source"]
	if !builtIn(source) {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable,
			"cannot use the syntax %q: it names a program that would be fetched and run as front end, which moss never does; versions of docker/dockerfile are built in", source)
	}
	again := &frontEnd{solver: f.solver, options: maps.Clone(options)}
	return builder.Build(ctx, again)
}

// builtIn says whether a syntax line names the language that is built in, in whatever version and from whatever registry.
func builtIn(source string) bool {
	name, _, _ := strings.Cut(source, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	if source == "dockerfile.v0" { // what BuildKit calls its own
		return true
	}
	for _, known := range []string{"docker/dockerfile", "docker/dockerfile-upstream"} {
		if name == known || strings.HasSuffix(name, "/"+known) {
			return true
		}
	}
	return false
}

// ResolveImageConfig finds an image and gives its configuration.
func (f *frontEnd) ResolveImageConfig(ctx context.Context, ref string, o sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if o.OCILayoutOpt != nil {
		return f.resolveLayout(ctx, ref, o)
	}
	ref, err := f.allowedImage(ctx, ref)
	if err != nil {
		return "", "", nil, err
	}
	p := platformOf(nil)
	if o.ImageOpt != nil && o.ImageOpt.Platform != nil {
		p = *o.ImageOpt.Platform
	}
	b, err := f.resolve(ctx, ref, p, o.LogName)
	if err != nil {
		return "", "", nil, err
	}
	return ref, b.digest, b.config, nil
}

// resolveLayout finds an image in a directory.
func (f *frontEnd) resolveLayout(ctx context.Context, ref string, o sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	name, err := f.layoutName(o.OCILayoutOpt.Store.StoreID, ref)
	if err != nil {
		return "", "", nil, err
	}
	p := platformOf(nil)
	if o.OCILayoutOpt.Platform != nil {
		p = *o.OCILayoutOpt.Platform
	}
	b, err := f.resolve(ctx, name, p, o.LogName)
	if err != nil {
		return "", "", nil, err
	}
	return ref, b.digest, b.config, nil
}

func (f *frontEnd) resolve(ctx context.Context, ref string, p v1.Platform, name string) (b *base, err error) {
	if name == "" {
		name = "[internal] load metadata for " + ref
	}
	err = f.events.note(name, func(*vertexLog) error {
		b, err = f.base(ctx, ref, p)
		return err
	})
	return b, err
}

// ResolveSourceMetadata tells of a source without bringing it in.
func (f *frontEnd) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, o sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	op, err := f.allowed(ctx, op)
	if err != nil {
		return nil, err
	}
	if source.Knows(op.Identifier) {
		return f.describeRemote(ctx, op)
	}
	ref, ok := strings.CutPrefix(op.Identifier, "docker-image://")
	if !ok {
		return &sourceresolver.MetaResponse{Op: op}, nil
	}
	ref, d, config, err := f.ResolveImageConfig(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	op.Identifier = "docker-image://" + ref
	return &sourceresolver.MetaResponse{Op: op, Image: &sourceresolver.ResolveImageResponse{Digest: d, Config: config}}, nil
}

// deferred is a result that is worked out when it is needed.
type deferred struct {
	*solver
	edge graph.Edge
	def  *pb.Definition
}

var _ gateway.Reference = (*deferred)(nil)

// ToState gives the graph again.
func (r *deferred) ToState() (llb.State, error) {
	op, err := llb.NewDefinitionOp(r.def)
	if err != nil {
		return llb.State{}, err
	}
	return llb.NewState(op), nil
}

// Evaluate works the result out.
func (r *deferred) Evaluate(ctx context.Context) error {
	_, err := r.solve(ctx, r.edge)
	return err
}

// find opens a file of the result.
func (r *deferred) find(ctx context.Context, path string, flags int) (f *os.File, err error) {
	in, err := r.solve(ctx, r.edge)
	if err != nil {
		return nil, err
	}
	top, err := r.open(in)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, top.Close()) }()
	top.Note(path)
	dir, err := os.OpenFile(top.Root, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return sys.OpenIn(dir, filepath.Join("/", path), flags, sys.FollowInRoot)
}

// ReadFile reads a file.
func (r *deferred) ReadFile(ctx context.Context, req gateway.ReadRequest) ([]byte, error) {
	f, err := r.find(ctx, req.Filename, os.O_RDONLY|sys.ONonblock)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read %s: it is not a file", req.Filename)
	}
	part := gateway.FileRange{}
	if req.Range != nil {
		part = *req.Range
	}
	if part.Length == 0 {
		part.Length = int(info.Size())
	}
	text, err := io.ReadAll(io.NewSectionReader(f, int64(part.Offset), int64(part.Length)))
	if err != nil || int64(len(text)) != info.Size() {
		return text, err
	}
	if err := checkEncoding(req.Filename, text); err != nil {
		return nil, err
	}
	r.written.note(text)
	return buildahMounts(text), nil // it is a Dockerfile, or a list of what is to be ignored
}

// StatFile tells of a file.
func (r *deferred) StatFile(ctx context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	f, err := r.find(ctx, req.Path, sys.OPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return stat(info), nil
}

// ReadDir lists a directory.
func (r *deferred) ReadDir(ctx context.Context, req gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	r.seen.Doubt() // what is in it is told too
	f, err := r.find(ctx, req.Path, os.O_RDONLY|sys.ODirectory)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.Readdir(-1)
	if err != nil {
		return nil, err
	}
	var all []*fstypes.Stat
	for _, info := range entries {
		if ok, err := filepath.Match(req.IncludePattern, info.Name()); req.IncludePattern != "" && (err != nil || !ok) {
			continue
		}
		all = append(all, stat(info))
	}
	return all, nil
}

func stat(info fs.FileInfo) *fstypes.Stat {
	return &fstypes.Stat{Path: info.Name(), Mode: uint32(info.Mode()), Size: info.Size(), ModTime: info.ModTime().UnixNano()}
}
