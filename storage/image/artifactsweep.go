package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// blobDraft begins the names of the files that the library writes blobs to before it knows their digests.
const blobDraft = "oci-put-blob"

// abandoned is how long nobody has written to what a killed command left. Podman does not hold the lock all the time in which it adds files.
const abandoned = time.Hour

// change calls do with nobody else in the store, when what killed commands left is gone: drafts of files, and files of no artifact.
func (a *Artifacts) change(ctx context.Context, do func() error) error {
	a.lock.Lock()
	defer a.lock.Unlock()
	if err := a.sweep(ctx); err != nil {
		return explain(err, "tidy up", "the store of artifacts")
	}
	return do()
}

func (a *Artifacts) sweep(ctx context.Context) error {
	err := removeFiles(a.dir, func(name string) bool { return strings.HasPrefix(name, blobDraft) })
	list, damaged := a.list(ctx)
	if err != nil || damaged != nil { // then nobody knows whose the files are
		return err
	}
	used := map[string]bool{}
	for _, one := range list {
		for _, d := range append([]digest.Digest{one.Digest, one.Manifest.Config.Digest}, layerDigests(one)...) {
			if d.Validate() == nil { // a manifest is anybody's text
				used[d.Encoded()] = true
			}
		}
	}
	return removeFiles(filepath.Join(a.dir, "blobs", digest.Canonical.String()), func(name string) bool { return !used[name] })
}

func layerDigests(one StoredArtifact) (all []digest.Digest) {
	for _, layer := range one.Manifest.Layers {
		all = append(all, layer.Digest)
	}
	return all
}

// removeFiles removes the abandoned files of a directory, which may be missing, that are not wanted.
func removeFiles(dir string, unwanted func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		info, gone := entry.Info()
		if gone == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > abandoned && unwanted(entry.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	return err
}
