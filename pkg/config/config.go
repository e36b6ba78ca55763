// Package config reads the configuration that Moss shares with Podman, Buildah and Skopeo
// (storage.conf, containers.conf) and knows the directories of the calling user.
//
// Files are found by go.podman.io/storage's own rules: the first of ~/.config/containers/NAME,
// /etc/containers/NAME and /usr/share/containers/NAME, then the drop-ins in NAME.d; the environment
// (CONTAINERS_STORAGE_CONF, CONTAINERS_CONF and the same with _OVERRIDE) comes before them.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"go.podman.io/storage/types"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Overrides are the global flags that win over every file.
type Overrides struct {
	Root        string   // --root: the directory that keeps images and containers
	RunRoot     string   // --runroot: the directory that a reboot may empty
	Driver      string   // --storage-driver
	StorageOpts []string // --storage-opt, key=value; replace those of storage.conf
	NetworkDir  string   // --network-config-dir: where Podman's networks are
}

// Config is what one command needs to know of its user and of the files.
type Config struct {
	User       User
	RuntimeDir string // private to the user (0700), emptied by a reboot or a logout
	Storage    Storage
	Containers Containers
	// NetworkDirs are where Podman's own networks are: those that it made with netavark and with CNI.
	NetworkDirs []string
}

// Storage says where images, layers and containers are.
type Storage struct {
	GraphRoot string   // kept
	RunRoot   string   // emptied by a reboot
	Driver    string   // the driver of containers/storage; Moss runs containers on "overlay" only
	Options   []string // the driver's options, key=value

	// AdditionalStores are read-only stores of images beside GraphRoot, in order.
	AdditionalStores []string
	// ImageStore keeps the images apart from GraphRoot, where it is not "".
	ImageStore string
	// PullOptions are handed to containers/storage when it applies layers.
	PullOptions map[string]string
}

// ImageRoot is the directory whose overlay-images and overlay-layers are written.
func (s Storage) ImageRoot() string {
	if s.ImageStore != "" {
		return s.ImageStore
	}
	return s.GraphRoot
}

// Load reads the files, applies overrides and checks or makes the runtime directory. It makes no
// other directory and opens no store.
func Load(over Overrides) (*Config, error) {
	if err := forgetUnusable("XDG_CONFIG_HOME"); err != nil {
		return nil, err
	}
	user, err := currentUser()
	if err != nil {
		return nil, err
	}
	cfg := &Config{User: user}
	if cfg.RuntimeDir, err = runtimeDir(user.UID); err != nil {
		return nil, err
	}
	if cfg.Storage, err = loadStorage(cfg.RuntimeDir, over); err != nil {
		return nil, err
	}
	if cfg.NetworkDirs, err = networkDirs(over, user, cfg.Storage); err != nil {
		return nil, err
	}
	cfg.Containers, err = loadContainers(user.UID)
	return cfg, err
}

// networkDirs are where Podman keeps its networks, by default netavark's and CNI's apart.
func networkDirs(over Overrides, user User, s Storage) ([]string, error) {
	switch {
	case over.NetworkDir != "":
		dir, err := absolute("--network-config-dir", over.NetworkDir)
		return []string{dir}, err
	case user.UID == 0:
		return []string{"/etc/containers/networks", "/etc/cni/net.d"}, nil
	}
	return []string{filepath.Join(s.GraphRoot, "networks"), filepath.Join(user.ConfigHome, "cni/net.d")}, nil
}

// forgetUnusable unsets a variable that is no absolute path. The XDG Base Directory Specification says that it counts as
// unset then; the libraries that look for files of the user would take those of the working directory.
func forgetUnusable(key string) error {
	if dir, set := os.LookupEnv(key); !set || filepath.IsAbs(dir) {
		return nil
	}
	return os.Unsetenv(key)
}

func loadStorage(runtimeDir string, over Overrides) (Storage, error) {
	opts, err := storeOptions(runtimeDir)
	if err != nil {
		return Storage{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot read storage.conf: %w", err)
	}
	if over.StorageOpts != nil {
		opts.GraphDriverOptions = over.StorageOpts
	}
	s := Storage{
		Driver:      first(over.Driver, opts.GraphDriverName, "overlay"),
		Options:     opts.GraphDriverOptions,
		ImageStore:  opts.ImageStore,
		PullOptions: opts.PullOptions,
	}
	if s.GraphRoot, err = absolute("--root", first(over.Root, opts.GraphRoot)); err != nil {
		return Storage{}, err
	}
	if s.RunRoot, err = absolute("--runroot", first(over.RunRoot, opts.RunRoot)); err != nil {
		return Storage{}, err
	}
	for flag, dir := range map[string]string{"--root": s.GraphRoot, "--runroot": s.RunRoot} {
		if err := checkPlace(flag, dir); err != nil {
			return Storage{}, err
		}
	}
	s.AdditionalStores = additionalStores(s.Options)
	return s, nil
}

// storeOptions is types.LoadStoreOptions with our runtime directory. The library knows only the
// environment's, and falls back to a directory of its own in /tmp when that is unset.
func storeOptions(runtimeDir string) (types.StoreOptions, error) {
	const key = "XDG_RUNTIME_DIR"
	old, set := os.LookupEnv(key)
	if old == runtimeDir {
		return types.LoadStoreOptions(types.LoadOptions{})
	}
	if err := os.Setenv(key, runtimeDir); err != nil {
		return types.StoreOptions{}, err
	}
	opts, err := types.LoadStoreOptions(types.LoadOptions{})
	if set {
		return opts, firstError(err, os.Setenv(key, old))
	}
	return opts, firstError(err, os.Unsetenv(key))
}

func absolute(flag, path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("cannot use %s %s: %w", flag, path, err)
	}
	return abs, nil
}

// checkPlace refuses a directory that neither is there nor can be made, as whoever looks for something in it cannot say why. That we may not look
// is no reason: it may be otherwise in the user's namespace.
func checkPlace(flag, dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	for _, reason := range []error{syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, reason) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s for %s: %w", dir, flag, reason)
		}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
