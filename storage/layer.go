package storage

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/idtools"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Layer is a layer of the store.
type Layer struct {
	ID     string
	Parent string
	DiffID digest.Digest // of the uncompressed tar
	Size   int64         // of the uncompressed tar, bytes
}

// PutLayer unpacks a tar archive (plain, gzip, bzip2, xz or zstd) on top of parent, which may be "". It
// is there whole or not at all: a failure, or the end of ctx, removes what was unpacked.
func (s *Store) PutLayer(ctx context.Context, parent string, tar io.Reader) (*Layer, error) {
	l, _, err := s.store.PutLayer("", parent, nil, "", false, nil, &contextReader{ctx, tar})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, layerError(err)
	}
	return &Layer{ID: l.ID, Parent: l.Parent, DiffID: l.UncompressedDigest, Size: l.UncompressedSize}, nil
}

// DeleteLayer removes a layer that no image uses.
func (s *Store) DeleteLayer(id string) error {
	err := s.store.DeleteLayer(id)
	if err != nil && !errors.Is(err, storage.ErrLayerUnknown) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot remove layer %.12s: %w", id, err)
	}
	return nil
}

// Upper is a container's writable layer.
type Upper struct {
	Dir string // the upper directory of an overlay mount
	// UIDMap and GIDMap translate the owners in Dir to those in the layer, for containers with a user
	// namespace of their own; nil changes nothing.
	UIDMap, GIDMap []idtools.IDMap
	Exclude        []string // patterns of paths, relative to Dir, that are left out
}

// CommitLayer makes a layer of a container's changes on top of parent: whiteouts (character devices
// 0/0) and opaque directories (trusted. or user.overlay.opaque) become those of the OCI image format.
func (s *Store) CommitLayer(ctx context.Context, parent string, upper Upper) (*Layer, error) {
	stream, err := archive.TarWithOptions(upper.Dir, &archive.TarOptions{
		Compression:     archive.Uncompressed,
		WhiteoutFormat:  archive.OverlayWhiteoutFormat,
		UIDMaps:         upper.UIDMap,
		GIDMaps:         upper.GIDMap,
		ExcludePatterns: upper.Exclude,
	})
	if err != nil {
		return nil, layerError(err)
	}
	layer, err := s.PutLayer(ctx, parent, stream)
	if closeErr := stream.Close(); err == nil && closeErr != nil {
		return nil, errors.Join(layerError(closeErr), s.DeleteLayer(layer.ID))
	}
	return layer, err
}

func layerError(err error) error {
	kind := errdefs.ErrInvalid
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = errdefs.ErrNoSpace
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		kind = errdefs.ErrDenied
	}
	return errdefs.Errorf(kind, "cannot write a layer: %w", err)
}

// contextReader ends with the context: that is how an unpacking is interrupted.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
