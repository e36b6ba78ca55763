package image

import (
	"errors"

	lib "go.podman.io/storage"
	"go.podman.io/storage/pkg/mount"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// Mounted is an image whose files can be looked at, read-only, below a path.
type Mounted struct {
	ID    string
	Names []string
	Path  string
}

// Mount mounts an image in the mount namespace of this process, until it is unmounted as often. ErrDenied: this namespace
// is the machine's, where only root mounts.
func (im *Images) Mount(name string) (*Mounted, error) {
	img, err := im.find(name)
	if err != nil {
		return nil, err
	}
	if may, err := sys.MayMount(); err != nil {
		return nil, explain(err, "mount", "image "+name)
	} else if !may {
		return nil, errdefs.Errorf(errdefs.ErrDenied, "cannot mount image %s: others than root mount only in a namespace of their own; use `moss unshare` first, and `moss image mount` in its shell", name)
	}
	path, err := im.library().MountImage(img.ID, nil, "")
	return &Mounted{img.ID, img.Names, path}, explain(err, "mount", "image "+name)
}

// Unmount takes one mount of an image back, with force all of them. ErrConflict: it is not mounted.
func (im *Images) Unmount(name string, force bool) (id string, err error) {
	img, err := im.find(name)
	if err != nil {
		return "", err
	}
	at, err := im.mountPoint(img)
	if err != nil {
		return "", err
	}
	if at == "" {
		return "", errdefs.Errorf(errdefs.ErrConflict, "cannot unmount image %s: it is not mounted here", name)
	}
	_, err = im.library().UnmountImage(img.ID, force)
	return img.ID, explain(err, "unmount", "image "+name)
}

// MountedImages lists the images that are mounted in the mount namespace of this process.
func (im *Images) MountedImages() ([]Mounted, error) {
	all, err := everyImage(im.cfg)
	if err != nil {
		return nil, err
	}
	var list []Mounted
	for _, img := range all {
		path, err := im.mountPoint(img)
		if err != nil {
			return nil, err
		}
		if path != "" {
			list = append(list, Mounted{img.ID, img.Names, path})
		}
	}
	return list, nil
}

// mountPoint is where an image is mounted; "" is nowhere. The store may still count what vanished with its namespace.
func (im *Images) mountPoint(img *storage.Image) (string, error) {
	if len(img.Layers) == 0 {
		return "", nil
	}
	layer, err := im.library().Layer(img.Layers[0])
	if errors.Is(err, lib.ErrLayerUnknown) {
		return "", nil
	}
	if err != nil || layer.MountPoint == "" {
		return "", err
	}
	mounted, err := mount.Mounted(layer.MountPoint)
	if err != nil || !mounted {
		return "", err
	}
	return layer.MountPoint, nil
}
