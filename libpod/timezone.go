package libpod

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// localtime is where programs look for the time zone: localtime(5).
const localtime = "/etc/localtime"

// zoneDirs are where a host keeps the time zones: tzset(3).
var zoneDirs = [...]string{"/usr/share/zoneinfo", "/etc/zoneinfo"}

// maxZone bounds a time zone's file, in bytes: the largest has 4000.
const maxZone = 1 << 20

// timezone is the content of the container's /etc/localtime; nil leaves it as the image has it. It is the container's own, as its
// image need not have any zones.
func timezone(c *spec.Container) ([]byte, error) {
	switch c.Timezone {
	case "":
		return nil, nil
	case "local":
		zone, err := readZone(localtime)
		if os.IsNotExist(err) {
			return nil, nil // such a host is on UTC, which is what an image without one is on
		}
		return zone, err
	}
	var err error
	for _, dir := range zoneDirs {
		var zone []byte
		if zone, err = readZone(filepath.Join(dir, c.Timezone)); err == nil {
			return zone, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the time zone %s: %w; the host's package tzdata has those that there are", c.Timezone, onHost(err))
}

func readZone(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxZone {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is no file with a time zone")}
	}
	return os.ReadFile(path)
}
