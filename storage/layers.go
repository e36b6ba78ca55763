package storage

import (
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// LowerDirs are layers, in the order in which they are given, as lower directories for overlayfs: relative to home where it is the user's
// own store that keeps them. A layer that is not there is ErrNotFound.
func LowerDirs(s config.Storage, ids ...string) (home string, lower []string, err error) {
	list := homes(s)
	home = list[0].overlay()
	for _, id := range ids {
		dir, err := lowerDirIn(list, home, id)
		if err != nil {
			return "", nil, err
		}
		lower = append(lower, dir)
	}
	return home, lower, nil
}

func lowerDirIn(list []*home, base, id string) (string, error) {
	for _, h := range list {
		if !IsID(id) {
			break
		}
		if dir, err := (chainLink{layerRecord{ID: id}, h}).lowerDir(base); err == nil {
			return dir, nil
		}
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot use layer %.12s: it is not in the store", id)
}

// LayerDir is the directory with the content of a lower directory of LowerDirs.
func LayerDir(home, lower string) string {
	if filepath.IsAbs(lower) {
		return lower
	}
	return filepath.Join(home, lower)
}
