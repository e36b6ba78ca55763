package store

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"

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
// is there whole or not at all: a failure, or the end of ctx, removes what was unpacked. A layer that is there
// already is taken.
func (s *Store) PutLayer(ctx context.Context, parent string, tar io.Reader) (*Layer, error) {
	staged, err := s.Stage(ctx, tar, "")
	if err != nil {
		return nil, err
	}
	return s.commitOne(ctx, parent, staged, false)
}

var errOtherDigest = errors.New("its archive has another digest than it should")

// Known is the layer on top of parent with this content, or nil.
func (s *Store) Known(parent string, diffID digest.Digest) (*Layer, error) {
	l, err := s.store.Layer(layerID(parent, diffID))
	if errors.Is(err, lib.ErrLayerUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, openError(s.cfg, err)
	}
	return &Layer{ID: l.ID, Parent: l.Parent, DiffID: diffID, Size: l.UncompressedSize}, nil
}

// layerID is the id that go.podman.io/image gives the layer (layerID in its storage/storage_dest.go).
// With any other one, an image that was made here could not be pulled or loaded again.
func layerID(parent string, diffID digest.Digest) string {
	if parent == "" {
		return diffID.Encoded()
	}
	return digest.Canonical.FromString(parent + "+" + diffID.Encoded()).Encoded()
}

// Spool copies a stream into a file beside the store, which vanishes when it is closed or its process
// is killed.
func (s *Store) Spool(ctx context.Context, stream io.Reader) (*os.File, error) {
	dir, err := s.TempDir()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "spool-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, &contextReader{ctx, stream})
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(cmp.Or(context.Cause(ctx), err), f.Close())
	}
	return f, nil
}

// DeleteLayer removes a layer, unless an image or another layer uses it.
func (s *Store) DeleteLayer(id string) error {
	err := s.store.DeleteLayer(id)
	for _, fine := range []error{lib.ErrLayerUnknown, lib.ErrNotALayer, lib.ErrLayerUsedByImage, lib.ErrLayerHasChildren} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot remove layer %.12s: %w", id, err)
	}
	return nil
}

// LayerError is why a layer could not be written. It has a kind.
type LayerError struct{ Reason error }

func (e *LayerError) Error() string { return "cannot write a layer: " + e.Reason.Error() }

// Unwrap is the reason.
func (e *LayerError) Unwrap() error { return e.Reason }

func layerError(ctx context.Context, err error) error {
	err = cmp.Or(context.Cause(ctx), err)
	kind := errdefs.ErrInvalid
	switch {
	case errors.Is(err, lib.ErrLayerUnknown), errors.Is(err, lib.ErrParentUnknown):
		return &LayerError{errdefs.Errorf(errdefs.ErrConflict, "the one below it was removed meanwhile (%w)", err)}
	case damagedFile(err):
		kind = errdefs.ErrDamaged
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &LayerError{errdefs.NoSpace(OneLine(err))}
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		kind = errdefs.ErrDenied
	}
	return &LayerError{errdefs.Errorf(kind, "%w", OneLine(err))}
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
