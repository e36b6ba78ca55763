package image

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/configfile"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// transfer is one image on its way.
type transfer struct {
	src, dst       types.ImageReference
	srcSys, dstSys *types.SystemContext
	manifestType   string // "" keeps the source's
	// allPlatforms copies a list with all its images.
	allPlatforms bool
	forceFormat  bool
	seal         Sealing
	decrypt      []string // keys, FILE[:PASSWORD]
	preserve     bool     // the digests, or it fails
}

// copy moves one image, trying again after errors that may pass. The id is that of the image in the
// local store, where that is the destination.
func (im *Images) copy(ctx context.Context, t transfer, o Copying) (id string, manifest []byte, err error) {
	policy, err := t.policy()
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, policy.Destroy()) }()
	sys.DropProgram()
	var resolved types.ImageReference
	options := &copy.Options{
		ReportWriter:            o.Progress,
		SourceCtx:               t.srcSys,
		DestinationCtx:          t.dstSys,
		ForceManifestMIMEType:   t.manifestType,
		MaxParallelDownloads:    im.cfg.Containers.ImageParallel,
		ReportResolvedReference: &resolved,
		ForceCompressionFormat:  t.forceFormat,
		PreserveDigests:         t.preserve,
	}
	closeSigners, err := t.seal.apply(options, t.dst)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, closeSigners()) }()
	if options.OciDecryptConfig, err = decryption(t.decrypt, t.dst); err != nil {
		return "", nil, err
	}
	if t.allPlatforms {
		options.ImageListSelection = copy.CopyAllImages
	}
	move := func() error {
		return retryAfresh(ctx, o, func(ctx context.Context) error {
			manifest, err = copy.Image(ctx, policy, t.dst, t.src, options)
			return err
		})
	}
	switch {
	case t.dst.Transport().Name() != istorage.Transport.Name():
		giveBack := im.lendBlobCache(&t)
		options.DestinationCtx = t.dstSys
		err = move()
		var given sync.WaitGroup
		given.Go(giveBack)
		if err == nil {
			err = held(ctx, t.dst, t.dstSys, digest.FromBytes(manifest))
		}
		given.Wait()
	case fetches(t.src) && !t.allPlatforms:
		err = im.copyIntoStore(func() error {
			src, err := im.bringLayers(ctx, t, policy, o)
			if err != nil {
				return err
			}
			t.src, options.ReportWriter = src, nil
			return errors.Join(move(), src.close())
		})
	default:
		err = im.copyIntoStore(move)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", nil, err
	}
	if resolved == nil {
		return "", manifest, nil
	}
	_, image, err := istorage.ResolveReference(resolved)
	if err != nil {
		return "", nil, err
	}
	return image.ID, manifest, im.store.SyncImages()
}

// copyIntoStore runs a copy into the store, and again where somebody removed an image meanwhile whose layers it had found there.
func (im *Images) copyIntoStore(do func() error) error {
	return im.store.Copy(func() (err error) {
		for range tries {
			if err = do(); !removedMeanwhile(err) {
				break
			}
		}
		return err
	})
}

// tries bounds how often somebody else may be faster.
const tries = 10

func removedMeanwhile(err error) bool {
	for _, gone := range []error{lib.ErrLayerUnknown, lib.ErrParentUnknown, lib.ErrImageUnknown, lib.ErrNotAnID} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// bringLayers fetches an image's layers. The rest is to be copied from what it returns.
func (im *Images) bringLayers(ctx context.Context, t transfer, policy *signature.PolicyContext, o Copying) (*opened, error) {
	var f *fetcher
	err := retry(ctx, o, func(ctx context.Context) (err error) {
		f, err = im.newFetcher(ctx, t, policy, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(f.fetch(ctx), f.closeWorn())
	if err != nil {
		return nil, errors.Join(err, f.src.Close())
	}
	if o.Progress != nil {
		fmt.Fprintln(o.Progress, "Writing manifest to image destination")
	}
	return &opened{t.src, f.src}, nil
}

// policy is what the source is held to: what was made here needs no signature.
func (t *transfer) policy() (*signature.PolicyContext, error) {
	switch t.src.(type) {
	case *Bundle, *layoutReference:
		return signature.NewPolicyContext(acceptAnything())
	}
	return newPolicy(t.srcSys)
}

// newPolicy reads policy.json. Where there is none, images are accepted without a signature, as the
// file that distributions install says too; their digests are checked in any case.
func newPolicy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	policy, err := signature.DefaultPolicy(sys)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		policy, err = acceptAnything(), nil
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot read the signature policy: %w", err)
	}
	return signature.NewPolicyContext(policy)
}

func acceptAnything() *signature.Policy {
	return &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
}
