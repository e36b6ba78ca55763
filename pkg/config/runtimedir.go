package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// rootRuntimeDir is root's: a login session's /run/user/0 would vanish with the session.
const rootRuntimeDir = "/run/moss"

// runtimeDir is the first of $XDG_RUNTIME_DIR, /run/user/UID and /tmp/moss-UID that is a directory of
// the user's own. Only the last one is made (under su, cron and ssh without a session there is none
// of the others); since anybody may have made it first, its owner and mode must be right.
func runtimeDir(uid int) (string, error) {
	if uid == 0 {
		return rootRuntimeDir, ownPrivate(rootRuntimeDir)
	}
	id := strconv.Itoa(uid)
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), filepath.Join("/run/user", id)} {
		if filepath.IsAbs(dir) && ownedByCaller(dir) {
			return dir, nil
		}
	}
	dir := filepath.Join("/tmp", "moss-"+id)
	return dir, ownPrivate(dir)
}

func ownedByCaller(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir() && ownerOf(info) == os.Geteuid()
}

// ownPrivate makes dir with mode 0700, or checks that it is the caller's directory and nobody else
// can enter it. Lstat: a link in /tmp would be somebody else's choice.
func ownPrivate(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot make the runtime directory: %w; set XDG_RUNTIME_DIR to a directory of yours", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the runtime directory: %w", err)
	}
	if !info.IsDir() || ownerOf(info) != os.Geteuid() || info.Mode().Perm() != 0o700 {
		return errdefs.Errorf(errdefs.ErrDenied,
			"cannot use %s as runtime directory: it must be a directory owned by the user, mode 0700, but is %s owned by uid %d; remove it, or set XDG_RUNTIME_DIR to a directory of yours",
			dir, info.Mode(), ownerOf(info))
	}
	return nil
}

// ownerOf is the uid as seen from the caller's user namespace, like Geteuid's.
func ownerOf(info fs.FileInfo) int {
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
