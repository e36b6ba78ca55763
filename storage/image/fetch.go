package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/storage/store"
)

// The library writes a layer's blob into a file, reads it again to unpack it, and unpacks one layer after the
// other. Here each layer goes through all of that at once, and several layers go at the same time. After that the library
// copies the image as ever: it asks the policy, keeps signatures, records the image, and finds that the layers
// are there. So whatever is unusual about an image may be left to it.

// defaultParallel is how many layers are moved at once where containers.conf does not say; the library's number.
const defaultParallel = 6

// fetcher gets the layers of one image.
type fetcher struct {
	im      *Images
	open    func(context.Context) (types.ImageSource, error)
	mu      sync.Mutex
	src     types.ImageSource   // the newest
	worn    []types.ImageSource // with tokens that are refused
	infos   []types.BlobInfo    // of the blobs
	diffIDs []digest.Digest     // of what they are uncompressed
	found   *foundBlobs
	sys     *types.SystemContext
	options Copying
	bars    *bars
}

// newFetcher reads what src is, or what it chooses of a list. It has no blobs if they are to be left to the library.
func (im *Images) newFetcher(ctx context.Context, t transfer, policy *signature.PolicyContext, o Copying) (*fetcher, error) {
	src, err := t.src.NewImageSource(ctx, t.srcSys)
	if err != nil {
		return nil, err
	}
	again := func(ctx context.Context) (types.ImageSource, error) { return t.src.NewImageSource(ctx, t.srcSys) }
	f := &fetcher{im: im, open: again, src: src, found: newFoundBlobs(), sys: t.srcSys, options: o}
	err = f.inspect(ctx, policy)
	if refusedToken(err) { // as in stage: whoever makes a source reads the manifest
		if _, err = f.renew(ctx, src); err == nil {
			err = f.inspect(ctx, policy)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.src.Close(), f.closeWorn())
	}
	return f, nil
}

func (f *fetcher) inspect(ctx context.Context, policy *signature.PolicyContext) error {
	one, err := chooseInstance(ctx, f.src, f.sys)
	if err != nil {
		return err
	}
	if ok, err := policy.IsRunningImageAllowed(ctx, one); !ok {
		return fmt.Errorf("Source image rejected: %w", err) //nolint:staticcheck // the library's own words
	}
	img, err := image.FromUnparsedImage(ctx, f.sys, one)
	if err != nil {
		return err
	}
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return err
	}
	infos := img.LayerInfos()
	if err := f.im.checkParts(infos); err != nil {
		return err
	}
	if f.im.fetchable(infos, config.RootFS.DiffIDs) {
		f.infos, f.diffIDs = infos, config.RootFS.DiffIDs
	}
	return nil
}

// fetch brings the layers into the store.
func (f *fetcher) fetch(ctx context.Context) error {
	f.bars = newBars(f.options.Progress)
	defer f.bars.close()
	layers := make([]incoming, len(f.infos))
	for i, info := range f.infos {
		layers[i] = f.layer(info, f.diffIDs[i])
	}
	parallel := int(f.im.cfg.Containers.ImageParallel)
	if parallel == 0 {
		parallel = defaultParallel
	}
	_, err := f.im.putLayers(ctx, layers, parallel)
	_ = f.found.write(f.sys) // without it a push may send more than it needs to
	return err
}

// chooseInstance is the image itself, or the one of a list for the platform that is asked for.
func chooseInstance(ctx context.Context, src types.ImageSource, sys *types.SystemContext) (*image.UnparsedImage, error) {
	top := image.UnparsedInstance(src, nil)
	raw, mime, err := top.Manifest(ctx)
	if err != nil || !manifest.MIMETypeIsMultiImage(mime) {
		return top, err
	}
	list, err := manifest.ListFromBlob(raw, mime)
	if err != nil {
		return nil, err
	}
	chosen, err := list.ChooseInstance(sys)
	if err != nil {
		return nil, err
	}
	return image.UnparsedInstance(src, &chosen), nil
}

// fetchable says whether all layers are plain tars with digests that their configuration names.
func (im *Images) fetchable(infos []types.BlobInfo, diffIDs []digest.Digest) bool {
	if len(infos) != len(diffIDs) {
		return false // of the first format, or no image
	}
	for i, info := range infos {
		if diffIDs[i].Validate() != nil || diffIDs[i].Algorithm() != digest.Canonical || info.Digest.Validate() != nil || info.Digest.Algorithm() != digest.Canonical {
			return false
		}
		if !isLayer(info.MediaType) || im.inParts(info) {
			return false
		}
	}
	return true
}

func isLayer(mime string) bool {
	switch mime {
	case manifest.DockerV2Schema2LayerMediaType, manifest.DockerV2SchemaLayerMediaTypeUncompressed,
		v1.MediaTypeImageLayer, v1.MediaTypeImageLayerGzip, v1.MediaTypeImageLayerZstd:
		return true
	}
	return false
}

func (f *fetcher) layer(info types.BlobInfo, diffID digest.Digest) incoming {
	return incoming{diffID: diffID, stage: func(ctx context.Context) (staged *store.Staged, err error) {
		err = retry(ctx, f.options, func(ctx context.Context) error {
			staged, err = f.stage(ctx, info, diffID)
			return err
		})
		return staged, err
	}}
}

// stage gets a blob. The registry has shown the manifest already: if it wants other credentials now, the token was revoked, or was for
// a shorter time than the library believes.
func (f *fetcher) stage(ctx context.Context, info types.BlobInfo, diffID digest.Digest) (*store.Staged, error) {
	src := f.source()
	staged, err := f.stageFrom(ctx, src, info, diffID)
	if !refusedToken(err) {
		return staged, err
	}
	if src, err = f.renew(ctx, src); err != nil {
		return nil, err
	}
	return f.stageFrom(ctx, src, info, diffID)
}

func (f *fetcher) source() types.ImageSource {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.src
}

// renew is a source with a token of its own, for all who had the old one.
func (f *fetcher) renew(ctx context.Context, old types.ImageSource) (types.ImageSource, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.src != old {
		return f.src, nil
	}
	src, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	f.worn, f.src = append(f.worn, old), src
	return src, nil
}

// closeWorn closes the sources that others have taken the place of.
func (f *fetcher) closeWorn() error {
	var errs []error
	for _, src := range f.worn {
		errs = append(errs, src.Close())
	}
	return errors.Join(errs...)
}

// stageFrom unpacks a blob while it comes. Both its digests are checked before anybody can see what was unpacked.
func (f *fetcher) stageFrom(ctx context.Context, src types.ImageSource, info types.BlobInfo, diffID digest.Digest) (staged *store.Staged, err error) {
	stream, size, err := src.GetBlob(ctx, info, f.found)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stream)
	bar := f.bars.add(info.Digest, max(size, info.Size))
	blob := &blobReader{in: bar.reader(stream), sum: info.Digest.Verifier(), left: info.Size, bounded: info.Size >= 0}
	staged, err = f.im.store.Stage(ctx, blob, diffID)
	if blob.err != nil { // the library says of a connection that was cut only that the archive is too short
		err = errors.Join(blob.err, discard(staged))
		staged = nil
	}
	if err == nil {
		err = blob.finish()
	}
	bar.end(err)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w", info.Digest, reasonOf(err)), discard(staged))
	}
	staged.From(info.Digest, blob.size)
	f.found.RecordDigestUncompressedPair(info.Digest, diffID)
	return staged, nil
}

// blobReader sums a blob, and ends where the manifest says that it does.
type blobReader struct {
	in      io.Reader
	sum     digest.Verifier
	size    int64 // so far
	left    int64
	bounded bool
	err     error // what reading ended with, if not its end
}

func (b *blobReader) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	_, _ = b.sum.Write(p[:n]) // a hash does not fail
	b.size += int64(n)
	b.left -= int64(n)
	if b.bounded && b.left < 0 {
		err = errors.New("it is larger than its manifest says")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// finish reads what the decompressor did not need, and checks the digest.
func (b *blobReader) finish() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return err
	}
	if b.bounded && b.left > 0 {
		return io.ErrUnexpectedEOF
	}
	if !b.sum.Verified() {
		return errors.New("it has another digest than its manifest says")
	}
	return nil
}

// opened is a reference whose source is open already: it is handed out once, with what it has fetched.
type opened struct {
	types.ImageReference
	source types.ImageSource
}

// NewImageSource is the open source, and later a new one.
func (r *opened) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	if source := r.source; source != nil {
		r.source = nil
		return source, nil
	}
	return r.ImageReference.NewImageSource(ctx, sys)
}

// close closes the source if nobody took it.
func (r *opened) close() error {
	if r.source == nil {
		return nil
	}
	return r.source.Close()
}

// fetches says whether layers from there come by fetch: the library's own ways from a store or an archive of Docker's differ.
func fetches(src types.ImageReference) bool { return src.Transport().Name() == docker.Transport.Name() }
