package build

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/util/urlutil"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/build/export"
	"github.com/mosscontainers/moss/pkg/build/sbom"
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
				"configSource": b.configSource(),
				"request":      b.request(),
			},
			"internalParameters": object{
				"builderPlatform": platforms.Format(Here()), "targetPlatform": platforms.Format(p),
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

// configSource says where the Dockerfile is from.
func (b *Builder) configSource() object {
	source := object{"path": b.opts.FrontEnd["filename"]}
	context, _, _ := strings.Cut(b.opts.FrontEnd["context"], "#")
	for _, m := range b.remotes.materials {
		if context != "" && strings.HasPrefix(m.uri, urlutil.RedactCredentials(context)) {
			source["uri"], source["digest"] = m.uri, m.digest
		}
	}
	return source
}

// dependencies are the images that stages begin with, and all files and repositories from elsewhere.
func (b *Builder) dependencies() []object {
	all := b.baseImages()
	b.remotes.mu.Lock()
	defer b.remotes.mu.Unlock()
	for _, m := range b.remotes.materials {
		all = append(all, object{"uri": m.uri, "digest": m.digest})
	}
	return all
}

// baseImages are the images that stages begin with.
func (b *Builder) baseImages() []object {
	b.bases.mu.Lock()
	defer b.bases.mu.Unlock()
	all := []object{}
	for _, what := range slices.Sorted(maps.Keys(b.bases.list)) {
		base := b.bases.list[what]
		if base.digest == "" {
			continue
		}
		at := strings.LastIndex(what, " ")
		name := what[:at]
		p, err := platforms.Parse(what[at+1:])
		if err != nil {
			continue
		}
		if dir, ok := strings.CutPrefix(name, layoutScheme); ok {
			dir, _, _ = strings.Cut(dir, "@")
			all = append(all, object{"uri": "pkg:oci/" + url.PathEscape(filepath.Base(dir)) + "?platform=" + url.QueryEscape(platforms.Format(p)), "digest": digestSet(base.digest)})
			continue
		}
		all = append(all, object{"uri": export.PackageURL(name, &p), "digest": digestSet(base.digest)})
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

// attest says what is attested of a result.
func (b *Builder) attest(ctx context.Context, built *Built) error {
	if b.opts.Provenance.Wanted {
		p, err := b.provenance(built.Platform)
		if err != nil {
			return err
		}
		built.Provenance = p.Predicate
		built.Statements = append(built.Statements, p)
	}
	if !b.opts.Contents {
		return nil
	}
	if err := b.list(ctx, built); err != nil || !b.opts.AttestList {
		return err
	}
	doc, err := b.Document(built)
	built.Statements = append(built.Statements, export.Statement{Type: sbom.DocumentType, Predicate: doc})
	return err
}

// list reads what is in a result.
func (b *Builder) list(ctx context.Context, built *Built) error {
	return b.events.note("list what is in the image for "+platforms.Format(built.Platform), func(*vertexLog) error {
		r, err := b.open(result{layers: built.layers})
		if err != nil {
			return err
		}
		built.Contents, err = sbom.Scan(ctx, r.Tree, b.TempDir)
		return errors.Join(err, r.Close())
	})
}

// Document is the list of what is in a result as SPDX has it.
func (b *Builder) Document(built *Built) ([]byte, error) {
	created := b.started
	if built.Epoch != nil {
		created = *built.Epoch
	}
	return built.Contents.Document("image for "+platforms.Format(built.Platform), "moss-"+b.opts.Version, created)
}
