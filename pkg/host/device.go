package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Device is a device file of the host.
type Device struct {
	Path         string
	Type         string // b or c
	Major, Minor int64
	Mode         os.FileMode // permissions
	UID, GID     uint32      // as seen in this user namespace
}

// Devices are the device at path, or all below it where it is a directory. Of /dev itself the
// terminals and the mounts every container has of its own are left out.
func Devices(path string) ([]Device, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		d, ok := device(path, info)
		if !ok {
			return nil, fmt.Errorf("%s is not a device", path)
		}
		return []Device{d}, nil
	}
	var found []Device
	err = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return skipUnreadable(e, err)
		}
		if e.IsDir() && ownInContainer(p) {
			return fs.SkipDir
		}
		if e.Type()&fs.ModeDevice == 0 || p == "/dev/console" {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // it went away while we looked
		}
		if d, ok := device(p, info); ok {
			found = append(found, d)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there is no device in %s", path)
	}
	return found, err
}

func skipUnreadable(e fs.DirEntry, err error) error {
	if e != nil && e.IsDir() {
		return fs.SkipDir
	}
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func ownInContainer(dir string) bool {
	switch dir {
	case "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/hugepages", "/dev/fd":
		return true
	}
	return false
}

func device(path string, info os.FileInfo) (Device, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&os.ModeDevice == 0 {
		return Device{}, false
	}
	d := Device{Path: path, Type: "b", Mode: info.Mode().Perm(), UID: stat.Uid, GID: stat.Gid}
	if info.Mode()&os.ModeCharDevice != 0 {
		d.Type = "c"
	}
	d.Major, d.Minor = sys.DeviceNumber(stat.Rdev)
	return d, true
}
