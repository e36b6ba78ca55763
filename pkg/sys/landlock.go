package sys

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ConfineFiles takes from all threads of this process, which is confined already, what a server for containers does not
// need: it may read the host's files but those below its user's home and where others have theirs, change only what is below the directories
// that are given, and send signals to nobody. It is for good. A kernel without Landlock (landlock(7)) does none of this.
func ConfineFiles(change ...string) error {
	set, err := FileRules(change...)
	if err != nil || set == nil {
		return err
	}
	defer set.Close()
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set.Fd(), 0, 0); e != 0 {
		return os.NewSyscallError("landlock_restrict_self", e)
	}
	return nil
}

// What may be done to files.
const (
	readFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// changeFiles is all that the first version of Landlock knows.
	changeFiles = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1
)

// FileRules are the rules of ConfineFiles for a process that is not there yet (landlock_restrict_self(2)); nil where there is no Landlock.
func FileRules(change ...string) (*os.File, error) {
	abi, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return nil, nil //nolint:nilerr // old, or switched off
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: changeFiles}
	for version, more := range map[uintptr]uint64{2: unix.LANDLOCK_ACCESS_FS_REFER, 3: unix.LANDLOCK_ACCESS_FS_TRUNCATE, 5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV} {
		if abi >= version {
			attr.Handled_access_fs |= more
		}
	}
	if abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if e != 0 {
		return nil, os.NewSyscallError("landlock_create_ruleset", e)
	}
	set := os.NewFile(fd, "landlock")
	for _, path := range hostFiles() {
		if err := allowBelow(set, path, readFiles); err != nil {
			return nil, errors.Join(err, set.Close())
		}
	}
	for _, path := range change {
		if err := allowBelow(set, path, attr.Handled_access_fs); err != nil {
			return nil, errors.Join(err, set.Close())
		}
	}
	return set, nil
}

// hostFiles are all directories of the host's but those in which users keep things. resolv.conf may come to lead anywhere, and is to be
// followed there.
func hostFiles() []string {
	home, _ := os.UserHomeDir() // "" where nobody says
	top, _, _ := strings.Cut(strings.TrimPrefix(home, "/"), "/")
	private := []string{"home", "root", "run", top}
	var paths []string
	for _, dir := range []string{"/", "/run"} {
		entries, _ := os.ReadDir(dir) // without it there is nothing to be read there
		for _, entry := range entries {
			if !slices.Contains(private, entry.Name()) {
				paths = append(paths, filepath.Join(dir, entry.Name()))
			}
		}
		private = []string{"user"}
	}
	return paths
}

// allowBelow allows something in a directory, or a file to be read; what is not there needs no rule.
func allowBelow(set *os.File, path string, access uint64) error {
	at, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return nil //nolint:nilerr // also one that we may not see
	}
	defer at.Close()
	if info, err := at.Stat(); err != nil || !info.IsDir() {
		access &= unix.LANDLOCK_ACCESS_FS_READ_FILE
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(at.Fd())}
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set.Fd(), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	runtime.KeepAlive(at)
	if e != 0 {
		return os.NewSyscallError("landlock_add_rule", e)
	}
	return nil
}
