package config

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// uidEnv names the user outside of the user namespace; Podman and containers/storage use it too.
const uidEnv = "_CONTAINERS_ROOTLESS_UID"

// User is who called, seen from outside of any user namespace of ours.
type User struct {
	UID        int
	Home       string
	ConfigHome string // $XDG_CONFIG_HOME, else ~/.config
	CacheHome  string // $XDG_CACHE_HOME, else ~/.cache
	DataHome   string // $XDG_DATA_HOME, else ~/.local/share
}

func currentUser() (User, error) {
	uid := os.Getuid()
	if env := os.Getenv(uidEnv); env != "" {
		n, err := strconv.Atoi(env)
		if err != nil || n < 0 {
			return User{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the user id %q in %s: unset it", env, uidEnv)
		}
		uid = n
	}
	home, err := homeOf(uid)
	if err != nil {
		return User{}, err
	}
	return User{
		UID:        uid,
		Home:       home,
		ConfigHome: xdg("XDG_CONFIG_HOME", home, ".config"),
		CacheHome:  xdg("XDG_CACHE_HOME", home, ".cache"),
		DataHome:   xdg("XDG_DATA_HOME", home, ".local/share"),
	}, nil
}

// homeOf prefers the environment, as containers/storage does, so that both mean the same store.
func homeOf(uid int) (string, error) {
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		return home, nil
	}
	account, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "cannot find the home directory of user %d: %w; set HOME", uid, err)
	}
	return account.HomeDir, nil
}

// xdg follows the XDG Base Directory Specification: a relative value is ignored.
func xdg(key, home, rest string) string {
	if dir := os.Getenv(key); filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(home, rest)
}
