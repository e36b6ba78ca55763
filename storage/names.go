//go:build !moss_front

package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/shortnames"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"

	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

// DockerHub is the registry that a short name belongs to when nothing else is said.
const DockerHub = "docker.io"

// Candidates are the full names, with tag or digest, that name can mean for a local image, in order of
// preference: an alias of registries.conf, localhost, its unqualified-search-registries, docker.io.
func Candidates(cfg *config.Config, name string) ([]string, error) {
	name = withoutTransport(name)
	sys := &types.SystemContext{}
	refs, err := shortnames.ResolveLocally(sys, name)
	if unwritable(err) { // the library wants to lock its file of aliases even for reading
		sys.UserShortNameAliasConfPath = filepath.Join(cfg.RuntimeDir, "moss-short-name-aliases.conf")
		refs, err = shortnames.ResolveLocally(sys, name)
	}
	if err != nil {
		return nil, nameError(sys, name, err)
	}
	var list []string
	for _, ref := range refs {
		list = append(list, withoutTagBesideDigest(ref).String())
	}
	if hub := hubName(name); hub != "" && !slices.Contains(list, hub) {
		list = append(list, hub)
	}
	return list, nil
}

// nameError blames registries.conf where that is what cannot be read.
func nameError(sys *types.SystemContext, name string, err error) error {
	if unsupported := Unsupported(errdefs.ErrInvalid, name); unsupported != nil {
		return unsupported
	}
	if _, confErr := sysregistriesv2.UnqualifiedSearchRegistries(sys); confErr != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot look up %q: %w", name, confErr)
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %q as the name of an image: %w", name, err)
}

// RemoteCandidates are the full names that a registry may know name by, in order: only the alias where
// there is one, else name in each of the unqualified-search-registries, else in docker.io. Nobody is
// asked to choose.
func RemoteCandidates(cfg *config.Config, name string) ([]reference.Named, error) {
	if err := Unsupported(errdefs.ErrInvalid, name); err != nil {
		return nil, err
	}
	name = withoutTransport(name)
	mode := types.ShortNameModeDisabled
	sys := &types.SystemContext{ShortNameMode: &mode}
	resolved, err := shortnames.Resolve(sys, name)
	if unwritable(err) {
		sys.UserShortNameAliasConfPath = filepath.Join(cfg.RuntimeDir, "moss-short-name-aliases.conf")
		resolved, err = shortnames.Resolve(sys, name)
	}
	if err == nil {
		var refs []reference.Named
		for _, candidate := range resolved.PullCandidates {
			refs = append(refs, withoutTagBesideDigest(reference.TagNameOnly(candidate.Value)))
		}
		return refs, nil
	}
	searched, searchErr := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if hub := hubName(name); hub != "" && searchErr == nil && len(searched) == 0 {
		ref, err := reference.ParseNamed(hub)
		return []reference.Named{ref}, err
	}
	return nil, nameError(sys, name, err)
}

// hubName is the docker.io name of a short name, or "" for a name that has a registry.
func hubName(name string) string {
	if !shortnames.IsShortName(name) {
		return ""
	}
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	return withoutTagBesideDigest(reference.TagNameOnly(ref)).String()
}

// withoutTagBesideDigest drops the tag of NAME:TAG@DIGEST: the digest alone says which image is meant,
// as in Docker and Podman.
func withoutTagBesideDigest(ref reference.Named) reference.Named {
	digested, ok := ref.(reference.Digested)
	if !ok {
		return ref
	}
	canonical, err := reference.WithDigest(reference.TrimNamed(ref), digested.Digest())
	if err != nil {
		return ref
	}
	return canonical
}

func unwritable(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOSPC)
}

// nameSources are the files that the meaning of a short name depends on.
func nameSources(cfg *config.Config) []source {
	aliases := "/var/cache/containers/short-name-aliases.conf"
	if cfg.User.UID != 0 {
		aliases = filepath.Join(cfg.User.CacheHome, "containers/short-name-aliases.conf")
	}
	//nolint:staticcheck // deprecated for messages; here the file itself is asked whether it changed
	sources := []source{stamp(aliases), stamp(sysregistriesv2.ConfigPath(nil))}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "registries", Extension: "conf", EnvironmentName: registriesEnv, UserId: cfg.User.UID,
	})
	if err != nil {
		return sources
	}
	for _, file := range append(paths.MainFiles, paths.DropInDirectories...) {
		sources = append(sources, stamp(file))
	}
	for _, dir := range paths.DropInDirectories {
		entries, _ := os.ReadDir(dir) // one that cannot be read holds no configuration either
		for _, entry := range entries {
			sources = append(sources, stamp(filepath.Join(dir, entry.Name())))
		}
	}
	return sources
}
