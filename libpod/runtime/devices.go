package runtime

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// defaultDevices are those that every container has: runtime-spec, config-linux.md, "Default Devices".
var defaultDevices = []specs.LinuxDevice{
	{Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
	{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5},
	{Path: "/dev/full", Type: "c", Major: 1, Minor: 7},
	{Path: "/dev/random", Type: "c", Major: 1, Minor: 8},
	{Path: "/dev/urandom", Type: "c", Major: 1, Minor: 9},
	{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0},
}

// defaultLinks are the links in a container's /dev: where they are, and where they lead.
var defaultLinks = [][2]string{
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
	{"core", "/proc/kcore"},
	{"ptmx", "pts/ptmx"},
}

// makeDevices fills /dev.
func (r *rootfs) makeDevices() error {
	if !r.dev {
		return nil
	}
	dev, err := r.directory("/dev")
	if err != nil {
		return fmt.Errorf("cannot make /dev: %w", err)
	}
	defer dev.Close()
	seen := map[string]bool{}
	for _, d := range r.spec.Linux.Devices {
		seen[d.Path] = true
		if err := r.makeDevice(dev, d); err != nil {
			return fmt.Errorf("cannot make the device %s: %w", d.Path, err)
		}
	}
	for _, d := range defaultDevices {
		if seen[d.Path] {
			continue
		}
		if err := r.makeDevice(dev, d); err != nil {
			return fmt.Errorf("cannot make the device %s: %w", d.Path, err)
		}
	}
	for _, l := range defaultLinks {
		if err := sys.Symlinkat(l[1], dev, l[0]); err != nil {
			return err
		}
	}
	return nil
}

// directory opens a directory of the container, making it where it is missing; no part of its path may be a link.
func (r *rootfs) directory(name string) (*os.File, error) {
	dir, err := sys.OpenIn(r.root, name, sys.OPath|sys.ODirectory, sys.NoLinks)
	if errors.Is(err, syscall.ENOENT) {
		made, err := r.mkdirAll(name)
		if err != nil {
			return nil, err
		}
		made.Close()
		return sys.OpenIn(r.root, name, sys.OPath|sys.ODirectory, sys.NoLinks)
	}
	if isErrno(err, syscall.ELOOP) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the image has a link on the path %s", name)
	}
	return dir, err
}

// makeDevice makes one node, or, in a user namespace, which cannot make nodes, binds the host's.
func (r *rootfs) makeDevice(dev *os.File, d specs.LinuxDevice) error {
	dir := dev
	if path.Dir(d.Path) != "/dev" {
		var err error
		if dir, err = r.directory(path.Dir(path.Clean("/" + d.Path))); err != nil {
			return err
		}
		defer dir.Close()
	}
	kind, err := deviceKind(d.Type)
	if err != nil {
		return err
	}
	name, mode := path.Base(d.Path), uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	err = sys.MknodAt(dir, name, kind|mode, d.Major, d.Minor)
	switch {
	case isErrno(err, syscall.EPERM):
		return bindDevice(dir, name, kind, d)
	case isErrno(err, syscall.EEXIST):
		return r.existingDevice(dir, name, kind, d)
	case err != nil:
		return err
	}
	if d.UID == nil && d.GID == nil {
		return nil
	}
	return sys.ChownAt(dir, name, int(value(d.UID)), int(value(d.GID)))
}

// existingDevice accepts a node that a mount or the image brought along, when it is the right one.
func (r *rootfs) existingDevice(dir *os.File, name string, kind uint32, d specs.LinuxDevice) error {
	f, err := sys.OpenIn(dir, name, sys.OPath|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer f.Close()
	return checkDevice(f, kind, d.Major, d.Minor)
}

func deviceKind(t string) (uint32, error) {
	switch t {
	case "c", "u":
		return syscall.S_IFCHR, nil
	case "b":
		return syscall.S_IFBLK, nil
	case "p":
		return syscall.S_IFIFO, nil
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "%q is no type of device", t)
}

func bindDevice(dir *os.File, name string, kind uint32, d specs.LinuxDevice) error {
	host, err := hostDevice(kind, d)
	if err != nil {
		return err
	}
	defer host.Close()
	return bindInto(host, dir, name)
}

// bindInto mounts an open file of the host on the file name in dir, which it makes.
func bindInto(file, dir *os.File, name string) error {
	made, err := sys.CreateAt(dir, name, 0o666)
	if err != nil {
		return err
	}
	made.Close()
	target, err := sys.OpenIn(dir, name, sys.OPath|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer target.Close()
	mount, err := sys.OpenTree(file, "", false)
	if err != nil {
		return err
	}
	defer mount.Close()
	return sys.MoveMount(mount, target)
}

// hostDevice opens the host's node of a device: under the same name, or the one that the kernel tells.
func hostDevice(kind uint32, d specs.LinuxDevice) (*os.File, error) {
	f, err := os.OpenFile(d.Path, sys.OPath, 0)
	if err == nil {
		if checkDevice(f, kind, d.Major, d.Minor) == nil {
			return f, nil
		}
		f.Close()
	}
	name, err := deviceName(kind, d)
	if err != nil {
		return nil, err
	}
	f, err = os.OpenFile("/dev/"+name, sys.OPath, 0)
	if err != nil {
		return nil, err
	}
	if err := checkDevice(f, kind, d.Major, d.Minor); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// deviceName reads the name of a device below /dev: sysfs(5), /sys/dev.
func deviceName(kind uint32, d specs.LinuxDevice) (string, error) {
	class := "char"
	if kind == syscall.S_IFBLK {
		class = "block"
	}
	number := strconv.FormatInt(d.Major, 10) + ":" + strconv.FormatInt(d.Minor, 10)
	b, err := os.ReadFile("/sys/dev/" + class + "/" + number + "/uevent")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "DEVNAME="); ok {
			return strings.TrimSpace(name), nil
		}
	}
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrNotFound, "the host has no device %s", number)
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "the device %s has no name on the host", number)
}
