//go:build !moss_front

package libpod

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
	"github.com/mosscontainers/moss/storage/image"
	"github.com/mosscontainers/moss/storage/store"
)

// CommitOptions say what the image of a container's changes is like.
type CommitOptions struct {
	Name    string // "" leaves it without
	Author  string
	Message string
	Merge   []byte   // a configuration in JSON, of which what is there counts; may be nil
	Changes []string // Dockerfile instructions
	Docker  bool     // of Docker's format, not of OCI's
	Squash  bool     // one layer, with what is in those of the container's image
}

// Commit makes an image of a container's changes and returns its id.
func (e *Engine) Commit(ctx Context, ref string, o CommitOptions) (id string, err error) {
	c, err := e.Whole(ref)
	if err != nil {
		return "", err
	}
	images, err := image.Open(ctx, e.Config)
	if err != nil {
		return "", err
	}
	defer closing(&err, images)
	opts := image.CommitOptions{
		ImageID: c.Spec.Image.ID,
		Upper:   store.Upper{Dir: filepath.Join(c.Dir, upperDir), Exclude: mountPoints(c.Spec), Changing: c.State.Active()},
		Merge:   o.Merge, Changes: o.Changes, Docker: o.Docker, Author: o.Author, Message: o.Message,
		CreatedBy: strings.Join(append(c.Spec.Entrypoint, c.Spec.Command...), " "),
	}
	opts.Whole = func() error { return e.isWhole(c) }
	if o.Squash {
		opts.Squash = e.openLayers
	}
	if o.Name != "" {
		opts.Names = []string{o.Name}
	}
	if opts.Config, err = e.committedConfig(c.Spec); err != nil {
		return "", err
	}
	return images.Commit(ctx, opts)
}

// isWhole makes sure that what was read of a container's files was there until the end: a container that is removed goes as a whole, before
// any of its files do.
func (e *Engine) isWhole(c *state.Container) error {
	_, err := e.Store.Read(c.Spec.ID)
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot commit container %s: it was removed meanwhile", c.Spec.Name)
	}
	return err
}

// openLayers opens layers of the store, two or more, topmost first, as one tree.
func (e *Engine) openLayers(ids []string) (*os.File, error) {
	home, lower, err := storage.LowerDirs(e.Config.Storage, ids...)
	if err != nil {
		return nil, err
	}
	facts, err := e.Facts()
	if err != nil {
		return nil, err
	}
	return (&runtime.Overlay{Home: home, Lower: lower, UserXattr: facts.OverlayUserXattr()}).Open(home)
}

// committedConfig is the image's configuration with what the container was given instead.
func (e *Engine) committedConfig(c *spec.Container) (*spec.ImageConfig, error) {
	cfg := spec.ImageConfig{}
	if c.Image.ID != "" {
		img, err := storage.Resolve(e.Config, c.Image.ID)
		if err != nil {
			return nil, err
		}
		cfg = img.Config
	}
	cfg.Env, cfg.WorkingDir, cfg.User, cfg.Labels = c.Env, c.WorkDir, c.Identity.User, c.Labels
	cfg.Entrypoint, cfg.Cmd = c.Entrypoint, c.Command
	return &cfg, nil
}

// mountPoints are the paths that Moss itself makes in the writable layer so as to mount something there.
func mountPoints(c *spec.Container) []string {
	list := []string{"dev", "proc", "sys", "run/.containerenv", ".dockerenv", "etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/mtab"}
	if c.Timezone != "" {
		list = append(list, strings.TrimPrefix(localtime, "/"))
	}
	return list
}
