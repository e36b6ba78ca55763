package sys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// replacePrefix begins the names of the directories in which files are written. One is locked while it is; what a killed command left is
// swept by the next one to the same place. (A file without a name, O_TMPFILE, would leave nothing, but cannot replace another, and
// libraries find files by their paths.)
const replacePrefix = ".moss-save-"

// ReplaceFile lets write make a file beside path and then puts it there: it is there whole or not at all. A link stays, and what it leads to
// is replaced. What is no regular file is written directly, and so is what a process has open, as /dev/stdout: a file there
// is the shell's to make, and the link to it everybody's.
func ReplaceFile(path string, write func(path string) error) (err error) {
	path, direct, err := replaceable(path)
	if err != nil {
		return err
	}
	if direct {
		return write(path)
	}
	dir, remove, err := TempDir(filepath.Dir(path), replacePrefix)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	temp := filepath.Join(dir, "file")
	if err := write(temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// replaceable follows the links at path to the file that may be replaced, or says that what is there must be written directly.
func replaceable(path string) (target string, direct bool, err error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil || info.Mode().IsRegular() {
			return path, false, nil
		}
		to, err := os.Readlink(path)
		if err != nil || strings.HasPrefix(to, "/proc/") || strings.HasPrefix(path, "/proc/") {
			return path, true, nil
		}
		if err := notPlanted(path, info); err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path, true, nil
}

// notPlanted makes sure that a link is not one that somebody else made where everybody may, as in /tmp, so that a file of ours is replaced. The
// kernel follows none of those (proc(5), fs.protected_symlinks), but is not asked by who reads links. One of ours nobody else takes away there.
func notPlanted(path string, link os.FileInfo) error {
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	const everybody = 0o002
	if link.Sys().(*syscall.Stat_t).Uid == uint32(os.Geteuid()) || dir.Mode()&os.ModeSticky == 0 || dir.Mode()&everybody == 0 {
		return nil
	}
	return &os.PathError{Op: "follow the link", Path: path, Err: errPlanted}
}

var errPlanted = fmt.Errorf("it is somebody else's, in a directory that everybody may write to: %w", os.ErrPermission)

// maxLinks is how many links the kernel follows.
const maxLinks = 40

// WriteWhole lets write make a file that is there whole or not at all, in a directory of ours, which is made. Several may do so at once: the
// last one's stays. A command that is killed may leave a file .new-*.
func WriteWhole(path string, write func(*os.File) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// Bytes is a write of WriteWhole.
func Bytes(data []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(data)
		return err
	}
}

// TempDir makes a directory in parent whose name begins with prefix, for this process alone, and sweeps those that killed ones have left there.
func TempDir(parent, prefix string) (dir string, remove func() error, err error) {
	_ = Sweep(parent, prefix, TryLockDir) // what others left there does not keep us from anything
	if dir, err = os.MkdirTemp(parent, prefix); err != nil {
		return "", nil, err
	}
	lock, err := LockDir(dir, false)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(os.RemoveAll(dir), lock.Unlock()) }, nil
}
