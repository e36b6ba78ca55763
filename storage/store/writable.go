package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage/drivers"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// elsewhere is what to do about a directory whose file system overlayfs does not take.
const elsewhere = "as with most that a network or FUSE is behind; set graphroot in ~/.config/containers/storage.conf to a directory on a disk of this machine, or use --root"

// usual are the file systems that overlayfs writes to: ext4, xfs, btrfs, tmpfs, f2fs and bcachefs.
var usual = []int64{0xef53, 0x58465342, 0x9123683e, 0x01021994, 0xf2f52010, 0xca451a4e}

// writable says before the first layer comes whether containers could have their writable layers in the store: images that nothing can run are of no use.
func writable(cfg config.Storage) error {
	root, err := os.Open(cfg.GraphRoot)
	if err != nil {
		return err
	}
	defer root.Close()
	if kind, err := sys.FsMagic(root); err != nil || slices.Contains(usual, kind) {
		return err
	}
	if err := tryOverlay(cfg.GraphRoot); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot keep containers in %s: overlayfs cannot write to its file system, %s: %w", cfg.GraphRoot, elsewhere, err)
	}
	return nil
}

// tryOverlay mounts an overlay where nobody sees it: the kernel tries what it needs of the file system then.
func tryOverlay(in string) (err error) {
	dir, err := os.MkdirTemp(in, ".overlay-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var options []string
	for _, part := range []string{"lowerdir", "upperdir", "workdir"} {
		path := filepath.Join(dir, part)
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		options = append(options, part+"="+path)
	}
	mount, err := sys.NewMount("overlay", append(options, "userxattr", "volatile"), 0) // volatile, or its end waits for the disk
	if err != nil {
		return err
	}
	return mount.Close()
}

// unsuited says of an error of the library's that it is about the file system.
func unsuited(err error) bool {
	return errors.Is(err, graphdriver.ErrIncompatibleFS) || errors.Is(err, graphdriver.ErrPrerequisites) || errors.Is(err, graphdriver.ErrNotSupported)
}

func unsuitedError(cfg config.Storage, err error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot open the image store %s: overlayfs does not work with its file system, %s: %w", cfg.GraphRoot, elsewhere, err)
}
