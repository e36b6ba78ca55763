package build

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Provenance says what is attested of how an image was made.
type Provenance struct {
	Wanted    bool
	Max       bool   // also values of arguments, and which secrets and agents there were
	BuilderID string // who says so: an URI
}

const (
	provenanceType = "https://slsa.dev/provenance/v1"
	buildType      = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
)

// object is a part of a predicate.
type object = map[string]any

// provenance is SLSA's statement of how the image for a platform was made, in the form of BuildKit's.
func (b *Builder) provenance(p v1.Platform) (export.Statement, error) {
	raw, err := json.Marshal(object{
		"buildDefinition": object{
			"buildType": buildType,
			"externalParameters": object{
				"configSource": object{"path": b.opts.FrontEnd["filename"]},
				"request":      b.request(),
			},
			"internalParameters": object{
				"builderPlatform": platforms.Format(platforms.DefaultSpec()), "targetPlatform": platforms.Format(p),
			},
			"resolvedDependencies": b.dependencies(),
		},
		"runDetails": object{"builder": object{"id": b.opts.Provenance.BuilderID}, "metadata": b.runMetadata()},
	})
	return export.Statement{Type: provenanceType, Predicate: raw}, err
}

// request is what was asked for. Arguments may have secrets in them: only those who ask for all get them.
func (b *Builder) request() object {
	args := maps.Clone(b.opts.FrontEnd)
	maps.DeleteFunc(args, func(name, _ string) bool {
		private := strings.HasPrefix(name, "build-arg:") || strings.HasPrefix(name, "label:")
		return strings.HasPrefix(name, "attest:") || private && !b.opts.Provenance.Max
	})
	request := object{"frontend": "dockerfile.v0", "args": args, "locals": named("name", slices.Sorted(maps.Keys(b.opts.Locals)))}
	if b.opts.Provenance.Max {
		request["secrets"] = named("id", slices.Sorted(maps.Keys(b.opts.Secrets)))
		request["ssh"] = named("id", slices.Sorted(maps.Keys(b.opts.Agents)))
	}
	return request
}

func named(field string, names []string) []object {
	all := []object{}
	for _, name := range names {
		all = append(all, object{field: name})
	}
	return all
}

// dependencies are the images that stages begin with.
func (b *Builder) dependencies() []object {
	b.bases.mu.Lock()
	defer b.bases.mu.Unlock()
	all := []object{}
	for _, what := range slices.Sorted(maps.Keys(b.bases.list)) {
		base := b.bases.list[what]
		if base.digest == "" {
			continue
		}
		name, platform, _ := strings.Cut(what, " ")
		p, err := platforms.Parse(platform)
		if err != nil {
			continue
		}
		all = append(all, object{
			"uri": export.PackageURL(name, &p), "digest": digestSet(base.digest),
		})
	}
	return all
}

func digestSet(d digest.Digest) object { return object{string(d.Algorithm()): d.Encoded()} }

// runMetadata is empty of times where the image is to be the same whenever it is made.
func (b *Builder) runMetadata() object {
	m := object{"buildkit_completeness": object{"request": b.opts.Provenance.Max, "resolvedDependencies": false}}
	if b.opts.Epoch == nil {
		m["startedOn"], m["finishedOn"] = b.started.UTC(), time.Now().UTC()
	}
	return m
}

// attest collects what is attested of the result for a platform.
func (b *Builder) attest(ctx context.Context, res *gateway.Result, id string, built *Built) error {
	for _, a := range res.Attestations[id] {
		more, err := unbundle(ctx, a.Ref, a.Path)
		if err != nil {
			return fmt.Errorf("cannot read what the scanner said of the image: %w", err)
		}
		built.Statements = append(built.Statements, more...)
	}
	if !b.opts.Provenance.Wanted {
		return nil
	}
	p, err := b.provenance(built.Platform)
	built.Statements = append(built.Statements, p)
	return err
}

// maxStatement bounds what is read of a statement, in bytes.
const maxStatement = 64 << 20

// unbundle reads the statements in a directory that a scanner wrote.
func unbundle(ctx context.Context, ref gateway.Reference, dir string) ([]export.Statement, error) {
	entries, err := ref.ReadDir(ctx, gateway.ReadDirRequest{Path: cmp.Or(dir, "/")})
	if err != nil {
		return nil, err
	}
	var all []export.Statement
	for _, entry := range entries {
		if entry.Size > maxStatement {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s has %d bytes", entry.Path, entry.Size)
		}
		raw, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: strings.TrimSuffix(dir, "/") + "/" + entry.Path})
		if err != nil {
			return nil, err
		}
		var s struct {
			PredicateType string          `json:"predicateType"`
			Predicate     json.RawMessage `json:"predicate"`
		}
		if err := json.Unmarshal(raw, &s); err != nil || s.PredicateType == "" {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s is no in-toto statement", entry.Path)
		}
		all = append(all, export.Statement{Type: s.PredicateType, Predicate: s.Predicate})
	}
	return all, nil
}
