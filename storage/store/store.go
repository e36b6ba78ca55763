// Package store writes the image store: it is a narrow wrapper of containers/storage. Package storage reads
// the same files without it; programs that only run containers do not link this one.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"go.podman.io/storage/pkg/reexec"
	"go.podman.io/storage/types"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// Store is an opened image store. It needs the user namespace.
type Store struct {
	cfg   config.Storage
	store lib.Store

	writable func() error // of the package, once

	tempOnce sync.Mutex // guards temp
	temp     *sys.Lock  // in TempDir, once that was asked for

	rooms  sync.Pool // see newContent
	packed sync.Pool // see decompress

	added sync.Map // ids of the layers that came into the list by this process

	threads  sys.RootThreads // that unpack
	settling settling

	optionsOnce sync.Once // see unpacking
	options     *archive.TarOptions
	optionsErr  error
}

// Reexec must be the first call of main: containers/storage unpacks layers in a chroot, in a new
// process of the same program. It is true in such a process after its work is done; main then returns.
func Reexec() bool { return reexec.Init() }

// Open opens, and where needed makes, the store of cfg. Close it.
func Open(ctx context.Context, cfg config.Storage) (*Store, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := mountable(cfg); err != nil {
		return nil, err
	}
	if err := enoughFiles(); err != nil {
		return nil, err
	}
	s, err := open(cfg)
	if err != nil && forgetFailure(cfg) {
		if s, err = open(cfg); err != nil {
			forgetFailure(cfg)
		}
	}
	if err != nil {
		return nil, openError(cfg, err)
	}
	opened := &Store{cfg: cfg, writable: sync.OnceValue(func() error { return writable(cfg) })}
	opened.store = noting{s, &opened.added}
	opened.keepReserve()
	return opened, nil
}

func open(cfg config.Storage) (lib.Store, error) {
	return lib.GetStore(types.StoreOptions{
		GraphRoot:          cfg.GraphRoot,
		RunRoot:            cfg.RunRoot,
		ImageStore:         cfg.ImageStore,
		GraphDriverName:    cfg.Driver,
		GraphDriverOptions: withoutHomeMount(cfg),
		PullOptions:        cfg.PullOptions,
	})
}

// mountable refuses directories that overlay(5) cannot be told: its options are between commas and its layers between colons, and the
// library quotes neither.
func mountable(cfg config.Storage) error {
	for _, dir := range []string{cfg.GraphRoot, cfg.ImageRoot()} {
		if strings.ContainsAny(dir, `,:\`) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot keep images in %s: overlayfs has a meaning of its own for commas, colons and backslashes; choose a directory without them", dir)
		}
	}
	return nil
}

// fewestFiles is how many files a process must be allowed to open to work with the store. Where the library cannot open one of its locks it panics.
const fewestFiles = 64

func enoughFiles() error {
	may := sys.MostDescriptors()
	if may >= fewestFiles {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot open the image store with at most %d open files: it takes %d; ulimit -n raises the limit", may, fewestFiles)
}

// forgetFailure removes the library's note, which stays in the run directory until the machine boots, that some store could not be
// mounted once: it may have been another store, or something that has passed. It says whether there was a note.
func forgetFailure(cfg config.Storage) bool {
	return os.Remove(filepath.Join(cfg.RunRoot, cfg.Driver, cfg.Driver+"-false")) == nil
}

// withoutHomeMount keeps the overlay driver from leaving a bind mount of its directory behind: it only
// serves to keep mounts private, and Moss mounts nothing there.
func withoutHomeMount(cfg config.Storage) []string {
	if cfg.Driver != "overlay" || cfg.Option("skip_mount_home") != "" {
		return cfg.Options
	}
	return append(slices.Clone(cfg.Options), "overlay.skip_mount_home=true")
}

func openError(cfg config.Storage, err error) error {
	kind := errdefs.ErrUnavailable
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = errdefs.ErrNoSpace
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EROFS):
		kind = errdefs.ErrDenied
	case errors.As(err, new(*json.SyntaxError)), errors.As(err, new(*json.UnmarshalTypeError)):
		kind = errdefs.ErrDamaged
	}
	if damagedFile(err) {
		return errdefs.Errorf(errdefs.ErrDamaged,
			"cannot open the image store %s: %w; put the file back from a backup, or start anew with `moss system reset`", cfg.GraphRoot, OneLine(err))
	}
	if unsuited(err) {
		return unsuitedError(cfg, err)
	}
	return errdefs.Errorf(kind, "cannot open the image store %s: %w", cfg.GraphRoot, err)
}

// Library is the opened store for callers that hand it to go.podman.io/image.
func (s *Store) Library() lib.Store { return s.store }

// Config is what the store was opened with.
func (s *Store) Config() config.Storage { return s.cfg }

// Close lets go of the store.
func (s *Store) Close() error {
	s.store.Free()
	s.threads.Close()
	_ = s.settling.wait() // who has something to lose has asked
	return s.closeTemp()
}

// Reset removes every image, layer and container of containers/storage (Podman's and Buildah's too),
// and what Moss remembers of images. Containers and volumes of Moss are libpod's to remove first.
func (s *Store) Reset() error {
	if err := s.store.Wipe(); err != nil {
		return errdefs.Errorf(errdefs.ErrConflict, "cannot empty the image store %s: %w", s.cfg.GraphRoot, err)
	}
	return removeAll(storage.CacheDir(s.cfg), storage.PinDir(s.cfg), s.reserve())
}

// ForgetAnswers empties the cache of Resolve. Others may put answers there meanwhile.
func (s *Store) ForgetAnswers() error {
	err := removeAll(storage.CacheDir(s.cfg))
	if errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}
