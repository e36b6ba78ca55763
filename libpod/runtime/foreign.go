package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// inContainer reads a path of the form /proc/PID/root/PATH: what another container's first process sees at /PATH.
func inContainer(source string) (pid int, path string, ok bool) {
	rest, ok := strings.CutPrefix(source, "/proc/")
	if !ok {
		return 0, "", false
	}
	number, path, ok := strings.Cut(rest, "/root/")
	pid, err := strconv.Atoi(number)
	return pid, path, ok && err == nil
}

// foreignMount copies a mount of another mount namespace, where alone the kernel lets it be copied (open_tree(2)). The
// path is in the other container's hands: links on it are refused.
func foreignMount(pid int, path string) (mount *os.File, err error) {
	ns, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return mount, sys.OnThread(func() error {
		if err := sys.Unshare(sys.CloneFS); err != nil {
			return err
		}
		if err := sys.Setns(ns, sys.CloneMount); err != nil {
			return err
		}
		root, err := os.OpenFile("/", sys.OPath|sys.ODirectory, 0)
		if err != nil {
			return err
		}
		defer root.Close()
		at, err := sys.OpenIn(root, path, sys.OPath, sys.NoLinks)
		if err != nil {
			return err
		}
		defer at.Close()
		mount, err = sys.OpenTree(at, "", false)
		return err
	})
}

// procOf copies the mount of a procfs that shows a PID namespace from a process in there: only such a process could make a new one.
func procOf(pids *os.File) (*os.File, error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || !isNamespace(pids, "/proc/"+entry.Name()) {
			continue
		}
		mount, err := foreignMount(pid, "/proc")
		if err != nil {
			continue
		}
		if isProcOf(pids, mount) {
			return mount, nil
		}
		mount.Close()
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "no process of the PID namespace to join has it at /proc")
}

// isProcOf says whether a mount is a whole procfs, and shows a PID namespace: its process 1 is the first one in there.
func isProcOf(pids, mount *os.File) bool {
	const top = 1 // the inode of a procfs's root
	magic, err := sys.FsMagic(mount)
	if err != nil || magic != sys.MagicProc {
		return false
	}
	inode, err := sys.Inode(mount)
	return err == nil && inode == top && isNamespace(pids, mountPath(mount)+"/1")
}

// isNamespace says whether a process, which is a directory of a procfs, is in a PID namespace.
func isNamespace(pids *os.File, process string) bool {
	joined, err := pids.Stat()
	if err != nil {
		return false
	}
	its, err := os.Stat(process + "/ns/pid")
	return err == nil && os.SameFile(joined, its)
}

// mountPath is a detached mount's.
func mountPath(mount *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(mount.Fd())) }

// bringForeign mounts in the caller's mount namespace what the configuration wants of other containers, for a runtime that
// cannot reach it there. drop takes it back once the runtime has it, and before anybody clears RUNDIR.
func bringForeign(spec *specs.Spec, runDir string) (drop func() error, err error) {
	var places []string
	drop = func() error {
		var errs []error
		for _, place := range places {
			errs = append(errs, sys.Unmount(place), os.Remove(place))
		}
		return errors.Join(errs...)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		pid, path, ok := inContainer(m.Source)
		if !ok {
			continue
		}
		place := filepath.Join(runDir, "foreign"+strconv.Itoa(i))
		if err := attachForeign(pid, path, place); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot mount %s at %s: %w", m.Source, m.Destination, err), drop())
		}
		places = append(places, place)
		m.Source = place
	}
	return drop, nil
}

// attachForeign mounts a directory of another container at place.
func attachForeign(pid int, path, place string) error {
	mount, err := foreignMount(pid, path)
	if err != nil {
		return err
	}
	defer mount.Close()
	if err := os.MkdirAll(place, 0o700); err != nil {
		return err
	}
	target, err := os.OpenFile(place, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return err
	}
	defer target.Close()
	return sys.MoveMount(mount, target)
}
