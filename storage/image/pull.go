package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
	"github.com/mosscontainers/moss/storage"
)

// Policy says when an image is pulled.
type Policy string

// The policies of podman-pull(1).
const (
	PullAlways  Policy = "always"
	PullMissing Policy = "missing"
	PullNever   Policy = "never"
	PullNewer   Policy = "newer" // when the registry's is another one; not when it cannot be reached
)

// ParsePolicy reads --pull and --policy; true and false are Docker's and old Podman's.
func ParsePolicy(s string) (Policy, error) {
	switch p := Policy(strings.ToLower(s)); p {
	case PullAlways, PullMissing, PullNever, PullNewer:
		return p, nil
	case "true":
		return PullAlways, nil
	case "false", "ifnotpresent", "":
		return PullMissing, nil
	}
	return "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use the pull policy %q: it is one of always, missing, never, newer", s)
}

// PullOptions are those of a pull.
type PullOptions struct {
	Copying
	Platform
	Policy  Policy // "" is PullAlways
	AllTags bool
	// DecryptionKeys open encrypted layers: FILE[:PASSWORD].
	DecryptionKeys []string
}

// Pulled is an image that now is in the store.
type Pulled struct {
	ID    string
	Name  string // full name; "" where the source has none
	Local bool   // it was there already, and nothing was copied
}

// Pull brings an image into the store: from a registry, or from TRANSPORT:… for the transports docker,
// oci, oci-archive, docker-archive, dir and containers-storage. A short name is an alias of
// registries.conf, or looked for in its unqualified-search-registries, or in docker.io where it names
// none; nobody is asked. Kinds of error: ErrNotFound, ErrDenied, ErrUnavailable, ErrNoSpace, ErrInvalid.
func (im *Images) Pull(ctx context.Context, name string, o PullOptions) ([]Pulled, error) {
	if isHello(name) {
		id, err := im.EnsureHello(ctx)
		return []Pulled{{ID: id, Name: helloName, Local: true}}, err
	}
	if transport, rest := transportOf(name); transport != nil && transport.Name() != docker.Transport.Name() {
		pulled, err := im.pullFrom(ctx, transport, rest, o)
		return pulled, explain(err, "pull", name)
	}
	name = strings.TrimPrefix(name, "docker://")
	if img, done, err := im.local(name, o); done || err != nil {
		return img, err
	}
	pulled, err := im.pullRegistry(ctx, name, o)
	return pulled, explain(err, "pull", name)
}

// local answers the policies that can do without a registry. An image for another platform is not there.
func (im *Images) local(name string, o PullOptions) (found []Pulled, done bool, err error) {
	if o.Policy != PullMissing && o.Policy != PullNever {
		return nil, false, nil
	}
	id, err := o.Platform.image(im.cfg, name)
	if err == nil {
		return []Pulled{{ID: id, Name: name, Local: true}}, true, nil
	}
	if o.Policy == PullNever || !errors.Is(err, errdefs.ErrNotFound) {
		return nil, true, err
	}
	return nil, false, nil
}

func (im *Images) pullRegistry(ctx context.Context, name string, o PullOptions) ([]Pulled, error) {
	sys, err := im.systemContext(o.Registry, o.Platform)
	if err != nil {
		return nil, err
	}
	candidates, err := remoteNames(im.cfg, name)
	if err != nil {
		return nil, err
	}
	if o.AllTags {
		return im.pullAllTags(ctx, candidates[0], sys, o)
	}
	var failures []error
	for _, candidate := range candidates {
		pulled, err := im.pullOne(ctx, candidate, sys, o)
		if err == nil {
			return []Pulled{pulled}, nil
		}
		if context.Cause(ctx) != nil || hasKind(err) { // no registry's fault
			return nil, err
		}
		failures = append(failures, err)
	}
	return nil, oneSentence(failures)
}

// oneSentence is errors.Join on one line.
func oneSentence(errs []error) error {
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; and %w", all, err)
	}
	return all
}

func (im *Images) pullOne(ctx context.Context, named reference.Named, sys *types.SystemContext, o PullOptions) (Pulled, error) {
	src, err := docker.NewReference(named)
	if err != nil {
		return Pulled{}, err
	}
	if o.Policy == PullNewer {
		if id := im.current(ctx, src, sys); id != "" {
			return Pulled{ID: id, Name: named.String(), Local: true}, nil
		}
	}
	dst, err := im.storeReference(named, "")
	if err != nil {
		return Pulled{}, err
	}
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, "Trying to pull %s...\n", named)
	}
	id, _, err := im.copy(ctx, transfer{src: src, dst: dst, srcSys: sys, dstSys: sys, decrypt: o.DecryptionKeys}, o.Copying)
	if errors.As(err, new(*json.SyntaxError)) { // as of a web server, or of a network that wants its users to log in
		err = fmt.Errorf("what answers there does not speak as registries do: %w", err)
	}
	return Pulled{ID: id, Name: named.String()}, err
}

// current is the id of the local image of this name if it is the registry's, or if the registry cannot
// tell; else "".
func (im *Images) current(ctx context.Context, src types.ImageReference, sys *types.SystemContext) string {
	img, err := im.find(src.DockerReference().String())
	if err != nil {
		return ""
	}
	remote, err := silence.Ask(ctx, func(ctx context.Context) (digest.Digest, error) { return docker.GetDigest(ctx, sys, src) })
	if err != nil || slices.Contains(img.Digests, remote.String()) {
		return img.ID
	}
	return ""
}

func (im *Images) pullAllTags(ctx context.Context, named reference.Named, sys *types.SystemContext, o PullOptions) ([]Pulled, error) {
	src, err := docker.NewReference(named)
	if err != nil {
		return nil, err
	}
	var tags []string
	err = retry(ctx, o.Copying, func(ctx context.Context) error {
		tags, err = tagsOf(ctx, sys, src)
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []Pulled
	for _, tag := range tags {
		tagged, err := reference.WithTag(reference.TrimNamed(named), tag)
		if err != nil {
			return all, err
		}
		pulled, err := im.pullOne(ctx, tagged, sys, o)
		if err != nil {
			return all, err
		}
		all = append(all, pulled)
	}
	return all, nil
}

// remoteNames are the full names that a registry may know name by, in order.
func remoteNames(cfg *config.Config, name string) ([]reference.Named, error) {
	if isID(name) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot pull %s: it is an id, and registries know images by name or by NAME@DIGEST", name)
	}
	return storage.RemoteCandidates(cfg, name)
}

func isID(name string) bool {
	id := strings.TrimPrefix(name, "sha256:")
	return len(id) == 64 && strings.Trim(id, "0123456789abcdef") == ""
}
