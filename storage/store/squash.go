package store

import (
	"context"
	"errors"

	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Squash makes one layer on parent of all between it and the layer top.
func (s *Store) Squash(ctx context.Context, parent, top string) (_ *Layer, err error) {
	plain := archive.Uncompressed
	diff, err := s.store.Diff(parent, top, &lib.DiffOptions{Compression: &plain})
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrDamaged, "cannot read layer %.12s: %w", top, OneLine(err))
	}
	spool, err := s.Spool(ctx, diff) // while it is read, the library lets nobody write layers
	if err = errors.Join(err, diff.Close()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	return s.PutLayer(ctx, parent, spool)
}
