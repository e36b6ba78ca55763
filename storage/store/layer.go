package store

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/opencontainers/go-digest"
	lib "go.podman.io/storage"
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
// is there whole or not at all: a failure, or the end of ctx, removes what was unpacked. The archive is
// read twice, since the layer's id follows from its digest; a layer that is there already is taken.
func (s *Store) PutLayer(ctx context.Context, parent string, tar io.ReadSeeker) (*Layer, error) {
	diffID, err := digestOf(ctx, tar)
	if err != nil {
		return nil, layerError(ctx, err)
	}
	if _, err := tar.Seek(0, io.SeekStart); err != nil {
		return nil, layerError(ctx, err)
	}
	return s.PutKnownLayer(ctx, parent, diffID, tar)
}

// PutKnownLayer is PutLayer of an archive whose uncompressed digest must be diffID. It is read once, or
// not at all where the layer is there.
func (s *Store) PutKnownLayer(ctx context.Context, parent string, diffID digest.Digest, tar io.Reader) (*Layer, error) {
	id := layerID(parent, diffID)
	l, err := s.store.Layer(id)
	if errors.Is(err, lib.ErrLayerUnknown) {
		l, err = s.unpack(ctx, id, parent, diffID, tar)
	}
	if errors.Is(err, lib.ErrDuplicateID) { // another process was faster
		l, err = s.store.Layer(id)
	}
	if err != nil {
		return nil, layerError(ctx, err)
	}
	return &Layer{ID: l.ID, Parent: l.Parent, DiffID: diffID, Size: l.UncompressedSize}, nil
}

// unpack writes a layer. The library is told the digest, so that it need not sum what is summed here: a
// stream with another one ends in an error instead of its end, and is never recorded.
func (s *Store) unpack(ctx context.Context, id, parent string, diffID digest.Digest, tar io.Reader) (l *lib.Layer, err error) {
	plain, err := archive.DecompressStream(&contextReader{ctx, tar})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	verified := &verifyingReader{r: plain, sum: diffID.Verifier()}
	l, _, err = s.store.PutLayer(id, parent, nil, "", false, &lib.LayerOptions{OriginalDigest: diffID}, verified)
	if err != nil {
		return nil, err
	}
	if !verified.done || l.UncompressedDigest != diffID { // such as a gzip stream in a gzip stream
		return nil, errors.Join(errOtherDigest, s.DeleteLayer(id))
	}
	return l, nil
}

var errOtherDigest = errors.New("its archive has another digest than it should")

// verifyingReader ends with an error if what was read is not what it should be.
type verifyingReader struct {
	r    io.Reader
	sum  digest.Verifier
	done bool // it was read to the end, and right
}

func (v *verifyingReader) Read(p []byte) (n int, err error) {
	n, err = v.r.Read(p)
	_, _ = v.sum.Write(p[:n]) // a hash does not fail
	if errors.Is(err, io.EOF) {
		if !v.sum.Verified() {
			return n, errOtherDigest
		}
		v.done = true
	}
	return n, err
}

// layerID is the id that go.podman.io/image gives the layer (layerID in its storage/storage_dest.go).
// With any other one, an image that was made here could not be pulled or loaded again.
func layerID(parent string, diffID digest.Digest) string {
	if parent == "" {
		return diffID.Encoded()
	}
	return digest.Canonical.FromString(parent + "+" + diffID.Encoded()).Encoded()
}

// digestOf is the digest of the uncompressed archive.
func digestOf(ctx context.Context, tar io.Reader) (digest.Digest, error) {
	plain, err := archive.DecompressStream(&contextReader{ctx, tar})
	if err != nil {
		return "", err
	}
	d, err := digest.Canonical.FromReader(plain)
	return d, errors.Join(err, plain.Close())
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
		return nil, layerError(ctx, err)
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, &contextReader{ctx, stream})
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(layerError(ctx, err), f.Close())
	}
	return f, nil
}

// DeleteLayer removes a layer, unless an image or another layer uses it.
func (s *Store) DeleteLayer(id string) error {
	err := s.store.DeleteLayer(id)
	for _, fine := range []error{lib.ErrLayerUnknown, lib.ErrLayerUsedByImage, lib.ErrLayerHasChildren} {
		if errors.Is(err, fine) {
			return nil
		}
	}
	if err != nil {
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
		return nil, layerError(ctx, err)
	}
	spool, err := s.Spool(ctx, stream)
	if err = errors.Join(err, stream.Close()); err != nil {
		return nil, err
	}
	layer, err := s.PutLayer(ctx, parent, spool)
	return layer, errors.Join(err, spool.Close())
}

func layerError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if damagedFile(err) {
		return errdefs.Errorf(errdefs.ErrDamaged, "cannot write a layer: %w", OneLine(err))
	}
	kind := errdefs.ErrInvalid
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = errdefs.ErrNoSpace
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		kind = errdefs.ErrDenied
	}
	return errdefs.Errorf(kind, "cannot write a layer: %w", OneLine(err))
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
