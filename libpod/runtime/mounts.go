package runtime

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// mount makes one mount of the configuration: first detached, with all its attributes, then attached
// to the descriptor of its target, so that no half-made mount is ever visible.
func (r *rootfs) mount(m *specs.Mount) error {
	o := parseOptions(m.Options)
	source, err := r.source(m, &o)
	if err == nil {
		source, err = r.part(source, m)
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if o.copyUp { // before the target is made, which would have a mode of its own
		if err := r.fillTmpfs(source, m.Destination); err != nil {
			return err
		}
	}
	if err := r.chown(source, m.Destination); err != nil {
		return err
	}
	target, err := r.target(m, source)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := applyOptions(source, &o); err != nil {
		return err
	}
	if err := sys.MoveMount(source, target); err != nil {
		return misfit(err, source, target)
	}
	if isCgroup(m) {
		return r.mountGroups(source, o.attr)
	}
	if m.Type == "proc" && r.proc == nil {
		r.proc, err = sys.OpenIn(source, ".", sys.OPath, sys.NoLinks)
	}
	return err
}

// part is what is wanted of a source: all of it, or a copy of the mount of what is below it.
func (r *rootfs) part(source *os.File, m *specs.Mount) (*os.File, error) {
	subpath, there := r.bundle.Subpaths[m.Destination]
	if !there {
		return source, nil
	}
	defer source.Close()
	at, err := sys.OpenIn(source, subpath, sys.OPath, sys.FollowInRoot)
	if errors.Is(err, os.ErrNotExist) {
		whole := "volume"
		if m.Type == "overlay" {
			whole = "image"
		}
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "the %s has no %s", whole, subpath)
	}
	if err != nil {
		return nil, err
	}
	defer at.Close()
	return sys.OpenTree(at, "", true)
}

// misfit says what the kernel has against a mount: a directory goes on a directory only, and anything else on anything else.
func misfit(err error, source, target *os.File) error {
	if !isErrno(err, syscall.EINVAL) {
		return err
	}
	from, fromErr := source.Stat()
	to, toErr := target.Stat()
	switch {
	case fromErr != nil || toErr != nil || from.IsDir() == to.IsDir():
		return err
	case to.IsDir():
		return errdefs.Errorf(errdefs.ErrInvalid, "the container has a directory there, and this is a file")
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "the container has something there that is no directory, and this is one")
}

func applyOptions(mount *os.File, o *mountOptions) error {
	if err := sys.SetMountAttr(mount, true, o.recursive); err != nil {
		return err
	}
	if err := sys.SetMountAttr(mount, false, o.attr); err != nil {
		return err
	}
	return sys.SetMountAttr(mount, o.spreadAll, sys.MountAttr{Propagation: o.spread})
}

// source makes the detached mount.
func (r *rootfs) source(m *specs.Mount, o *mountOptions) (*os.File, error) {
	if m.Type == "bind" || o.bind || o.rbind {
		return bindSource(m.Source, o)
	}
	attr := o.attr.Set &^ sys.MountReadOnly
	switch m.Type {
	case "sysfs":
		mount, err := sys.NewMount("sysfs", nil, o.attr.Set)
		if isErrno(err, syscall.EPERM) { // the network namespace belongs to another user namespace
			return readOnlyCopy("/sys")
		}
		return mount, err
	case "proc":
		mount, err := r.newProc(o.data, o.attr.Set)
		if isErrno(err, syscall.EPERM) { // so does the PID namespace
			return sys.OpenTree(nil, "/proc", true)
		}
		return mount, err
	case "cgroup", "cgroup2":
		return r.cgroupSource(o.attr.Set)
	case "overlay":
		return overlaySource(o.data, attr)
	}
	return sys.NewMount(m.Type, o.data, attr)
}

// bindSource copies the mount of a path of the host. Without a word on it, what is mounted below comes along.
func bindSource(source string, o *mountOptions) (*os.File, error) {
	if pid, path, ok := inContainer(source); ok {
		return foreignMount(pid, path)
	}
	mount, err := sys.OpenTree(nil, source, o.rbind || !o.bind)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no such file or directory on the host")
	}
	if o.bind && isErrno(err, syscall.EINVAL) { // mount_namespaces(7), "Restrictions on mount namespaces"
		return nil, errdefs.Errorf(errdefs.ErrDenied, "something is mounted below it, and to show what that hides takes the machine's root: mount it with what is below")
	}
	return mount, err
}

// overlaySource mounts an overlay. Its directories are handed over as descriptors: the kernel takes no string of more than 255 bytes,
// and gives some characters in it a meaning.
func overlaySource(options []string, attr uint64) (*os.File, error) {
	var data, lower []string
	for _, option := range options {
		key, dir, ok := strings.Cut(option, "=")
		if !ok || !slices.Contains([]string{"lowerdir", "lowerdir+", "upperdir", "workdir"}, key) {
			data = append(data, option)
			continue
		}
		f, err := os.OpenFile(dir, sys.OPath|sys.ODirectory, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		dir = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
		if key == "lowerdir+" {
			lower = append(lower, dir)
			continue
		}
		data = append(data, key+"="+dir)
	}
	return sys.NewMount("overlay", append(lowerOptions(lower), data...), attr)
}

// maxString is how long the value of one option can be: fsconfig(2).
const maxString = 255

// lowerOptions are the layers of an overlay, topmost first: in one option, or, where they do not fit, one by one, as Linux takes them from 6.8 on.
func lowerOptions(lower []string) []string {
	if len(lower) == 0 {
		return nil
	}
	if all := strings.Join(lower, ":"); len(all) <= maxString {
		return []string{"lowerdir=" + all}
	}
	options := make([]string, len(lower))
	for i, dir := range lower {
		options[i] = "lowerdir+=" + dir
	}
	return options
}

func readOnlyCopy(source string) (*os.File, error) {
	mount, err := sys.OpenTree(nil, source, true)
	if err != nil {
		return nil, err
	}
	if err := sys.SetMountAttr(mount, true, sys.MountAttr{Set: sys.MountReadOnly}); err != nil {
		mount.Close()
		return nil, err
	}
	return mount, nil
}

// kernelTypes are file systems whose place in the container is fixed: a link there is an attack.
var kernelTypes = []string{"proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2"}

// target opens what to mount on, inside the root, and makes it where it is missing: a directory, or an empty
// file when the source is not a directory.
func (r *rootfs) target(m *specs.Mount, source *os.File) (*os.File, error) {
	dest := path.Clean("/" + m.Destination)
	if dest == "/" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the root of the container cannot be mounted over")
	}
	resolve := uint64(sys.FollowInRoot)
	if slices.Contains(kernelTypes, m.Type) || reserved(dest) {
		resolve = sys.NoLinks
	}
	target, err := r.open(dest, resolve)
	if errors.Is(err, syscall.ENOENT) {
		if target, err = r.makeTarget(dest, source, resolve); err != nil && ofKernel(dest) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "there is no such place, and the kernel's file systems take no new ones")
		}
	}
	if isErrno(err, syscall.ELOOP) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the image has a link on this path")
	}
	if isErrno(err, syscall.ENOTDIR) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the image has something on this path that is no directory, where one must be")
	}
	if err != nil {
		return nil, err
	}
	if err := checkTarget(target, source, m, dest); err != nil {
		target.Close()
		return nil, err
	}
	return target, nil
}

// ofKernel says whether a path is in a file system that only the kernel makes files in.
func ofKernel(dest string) bool {
	return strings.HasPrefix(dest, "/proc/") || strings.HasPrefix(dest, "/sys/")
}

// reserved says whether a path belongs to the kernel's file systems.
func reserved(dest string) bool {
	for _, top := range []string{"/dev", "/proc", "/sys"} {
		if dest == top || strings.HasPrefix(dest, top+"/") {
			return true
		}
	}
	return false
}

func (r *rootfs) open(name string, resolve uint64) (*os.File, error) {
	return sys.OpenIn(r.root, name, sys.OPath, resolve)
}

func (r *rootfs) makeTarget(dest string, source *os.File, resolve uint64) (*os.File, error) {
	st, err := source.Stat()
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		dir, err := r.mkdirAll(dest)
		if err != nil {
			return nil, err
		}
		dir.Close()
		return r.open(dest, resolve)
	}
	dir, err := r.mkdirAll(path.Dir(dest))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := sys.CreateAt(dir, path.Base(dest), 0o644)
	if err != nil {
		return nil, err
	}
	f.Close()
	target, err := r.open(dest, resolve)
	if !errors.Is(err, syscall.ENOENT) || resolve != sys.FollowInRoot {
		return target, err
	}
	end, err := r.linkEnd(dest) // what is there is a link to something that is not there yet
	if err != nil {
		return nil, err
	}
	return r.makeTarget(end, source, sys.NoLinks)
}

// linkEnd is where links lead that a path has, be it nowhere yet. What comes of it is to be walked inside of the root again.
func (r *rootfs) linkEnd(name string) (string, error) {
	full, err := securejoin.SecureJoin(r.root.Name(), name)
	return strings.TrimPrefix(full, r.root.Name()), err
}

// mkdir makes a directory where those above it are there. The last name is not followed if it is a link.
func (r *rootfs) mkdir(name string) (*os.File, error) {
	parent, err := sys.OpenIn(r.root, path.Dir(name), sys.OPath|sys.ODirectory, sys.FollowInRoot)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	if err := sys.Mkdirat(parent, path.Base(name), 0o755); err != nil {
		return nil, err
	}
	return sys.OpenIn(parent, path.Base(name), sys.OPath|sys.ODirectory, sys.NoLinks)
}

// mkdirAll makes a directory and those above it. A link in the image may lead to something that is not there
// yet (/var/run to /run): where it leads is computed first, and what comes of that is walked inside of the root again.
func (r *rootfs) mkdirAll(name string) (*os.File, error) {
	if dir, err := r.mkdir(name); err == nil { // the library takes fifty system calls, and a procfs of its own
		return dir, nil
	}
	dir, err := pathrs.MkdirAllHandle(r.root, name, 0o755)
	if !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ENOENT) {
		return dir, err
	}
	end, endErr := r.linkEnd(name)
	if endErr != nil {
		return nil, err
	}
	return pathrs.MkdirAllHandle(r.root, end, 0o755)
}

// inProc are the files of /proc that may be mounted over, to show a container numbers of its own.
var inProc = []string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
	"/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled",
}

// checkTarget refuses targets in /proc, however they were reached, and anything but a procfs as /proc: what writes there must reach the kernel
// and nothing else (CVE-2019-16884, CVE-2019-19921).
func checkTarget(target, source *os.File, m *specs.Mount, dest string) error {
	magic, err := sys.FsMagic(target)
	if err != nil {
		return err
	}
	allowed := magic != sys.MagicProc || slices.Contains(inProc, dest)
	if dest == "/proc" {
		if magic, err = sys.FsMagic(source); err != nil {
			return err
		}
		allowed = magic == sys.MagicProc && (allowed || m.Type == "proc")
	}
	if allowed {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "a container's /proc cannot be mounted over")
}

// fillTmpfs copies what the image has at target into a new tmpfs.
func (r *rootfs) fillTmpfs(mount *os.File, target string) error {
	from, err := sys.OpenIn(r.root, target, os.O_RDONLY|sys.ODirectory, sys.FollowInRoot)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := sys.OpenIn(mount, ".", os.O_RDONLY|sys.ODirectory, sys.NoLinks)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := copyTree(from, to, false); err != nil {
		return fmt.Errorf("cannot copy the image's files: %w", err)
	}
	return nil
}
