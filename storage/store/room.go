package store

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// On a disk that is full to the last byte nothing could be removed: the lists that say so could not be written. So there is a file of no use, which is
// given up then.
const (
	reserveSize = 256 << 10
	littleRoom  = 1 << 20 // has to be free for removing to be left alone
	enoughRoom  = 8 << 20 // has to be free for the file to be made
)

func (s *Store) reserve() string { return filepath.Join(s.cfg.ImageRoot(), "moss", "reserve") }

// keepReserve makes the file. Where it cannot be made, there is none.
func (s *Store) keepReserve() {
	if sys.Exists(s.reserve()) {
		return
	}
	if free, err := sys.FreeSpace(s.cfg.ImageRoot()); err != nil || free < enoughRoom {
		return
	}
	useless := make([]byte, reserveSize) // which no file system can store in less
	_, _ = rand.Read(useless)
	_ = os.MkdirAll(filepath.Dir(s.reserve()), 0o700)
	_ = os.WriteFile(s.reserve(), useless, 0o600)
}

// MakeRoom is called before something is removed. Beside that file it gives up what may be removed at any time.
func (s *Store) MakeRoom() {
	if !s.full() {
		return
	}
	builds := filepath.Join(s.cfg.GraphRoot, "moss", "build")
	_ = removeAll(s.reserve(), storage.CacheDir(s.cfg), filepath.Join(builds, "answers"), filepath.Join(builds, "contexts")) // who removes something tells what is missing
	_ = sys.SyncFileSystem(s.cfg.ImageRoot())                                                                                // on btrfs it is free then
}

// full says that there is no room for the lists, because of the disk, or of a quota, of which statfs(2) tells nothing.
func (s *Store) full() bool {
	if free, err := sys.FreeSpace(s.cfg.ImageRoot()); err != nil || free < littleRoom {
		return err == nil
	}
	f, err := os.CreateTemp(filepath.Dir(s.reserve()), ".room-")
	if err == nil {
		_ = os.Remove(f.Name())
		_, err = f.Write(make([]byte, reserveSize))
		_ = f.Close()
	}
	return errors.Is(errdefs.NoSpace(err), errdefs.ErrNoSpace)
}
