package netconf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Stores of one user share a network namespace, so no two of their networks may have the same subnet. Who makes a network
// locks all of them out, and looks at the networks of those that are in use.

// Join tells the user's other stores that networks of this one are in use. It is nothing but a link to its directory.
func (s *Store) Join() error {
	sum := sha256.Sum256([]byte(s.Dir))
	link := filepath.Join(s.Meet, hex.EncodeToString(sum[:8]))
	if _, err := os.Lstat(link); err == nil {
		return nil
	}
	if err := os.MkdirAll(s.Meet, 0o700); err != nil {
		return err
	}
	err := os.Symlink(s.Dir, link)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// meet locks all stores of the user.
func (s *Store) meet() (*sys.Lock, error) {
	if err := os.MkdirAll(s.Meet, 0o700); err != nil {
		return nil, err
	}
	return sys.LockFile(filepath.Join(s.Meet, "lock"), false)
}

// everybodys are the networks of all stores.
func (s *Store) everybodys() ([]*Network, error) {
	all, err := s.All()
	if err != nil {
		return nil, err
	}
	links, err := os.ReadDir(s.Meet)
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		dir, err := os.Readlink(filepath.Join(s.Meet, link.Name()))
		if err != nil || dir == s.Dir {
			continue
		}
		others, err := (&Store{Dir: dir}).All()
		if err != nil {
			continue // of a store that is gone, or that we may not read: what it has in use is seen in the namespace
		}
		all = append(all, others...)
	}
	return all, nil
}
