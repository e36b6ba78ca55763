package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage/store"
)

// The library copies a docker-archive in four passes: it decompresses each layer for its size, again into
// a temporary file, sums that, and unpacks it. Here a layer goes through all of that at once, beside others.

func (im *Images) loadDocker(ctx context.Context, a *dockerArchive, progress io.Writer) ([]Loaded, error) {
	if progress == nil {
		progress = io.Discard
	}
	if len(a.items) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot load the archive: its manifest.json lists no image")
	}
	if err := im.allowed(ctx, a); err != nil {
		return nil, err
	}
	names := make([][]reference.Named, len(a.items))
	for i, item := range a.items { // all, before the first is loaded
		var err error
		if names[i], err = item.names(); err != nil {
			return nil, err
		}
	}
	sys.DropProgram()
	var all []Loaded
	for i, item := range a.items {
		if err := context.Cause(ctx); err != nil { // all its layers may be here, so that nothing else asks
			return all, err
		}
		one, err := im.takeNames(names[i], func() (id string, err error) {
			err = im.copyIntoStore(func() error {
				id, err = im.loadDockerImage(ctx, a, item, progress)
				return err
			})
			return id, err
		})
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// allowed asks the signature policy, which may refuse archives.
func (im *Images) allowed(ctx context.Context, a *dockerArchive) (err error) {
	sys, err := im.plain()
	if err != nil {
		return err
	}
	policy, err := newPolicy(sys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	ref, err := archive.NewReference(fmt.Sprintf("/proc/self/fd/%d", a.file.Fd()), nil)
	if err != nil {
		return err
	}
	source, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return err
	}
	defer closing(&err, source)
	if ok, err := policy.IsRunningImageAllowed(ctx, image.UnparsedInstance(source, nil)); !ok {
		return errdefs.Errorf(errdefs.ErrDenied, "cannot load the archive: the signature policy rejects it: %w", err)
	}
	return nil
}

func (im *Images) loadDockerImage(ctx context.Context, a *dockerArchive, item dockerItem, progress io.Writer) (id string, err error) {
	one, err := a.image(item)
	if err != nil {
		return "", err
	}
	m := manifest.Schema2{
		SchemaVersion: 2,
		MediaType:     manifest.DockerV2Schema2MediaType,
		ConfigDescriptor: manifest.Schema2Descriptor{
			MediaType: manifest.DockerV2Schema2ConfigMediaType, Size: int64(len(one.config)), Digest: digest.FromBytes(one.config),
		},
		LayersDescriptors: []manifest.Schema2Descriptor{},
	}
	layers := make([]incoming, len(one.layers))
	for i, l := range one.layers {
		layers[i] = incoming{diffID: l.diffID, stage: func(ctx context.Context) (*store.Staged, error) {
			fmt.Fprintf(progress, "Copying blob %s\n", l.diffID)
			return im.store.Stage(ctx, a.open(l.entry), l.diffID)
		}}
	}
	put, err := im.putLayers(ctx, layers, runtime.GOMAXPROCS(0))
	if err != nil {
		return "", err
	}
	top := ""
	for _, l := range put {
		top = l.ID
		m.LayersDescriptors = append(m.LayersDescriptors, manifest.Schema2Descriptor{
			MediaType: manifest.DockerV2Schema2LayerMediaType, Size: l.Size, Digest: l.DiffID,
		})
	}
	raw, err := json.Marshal(&m)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "Copying config %s\n", m.ConfigDescriptor.Digest)
	return im.record(one.config, raw, one.created, top)
}
