package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// tidy makes of a checked-out repository what is wanted of it: without git's own files unless they are to be kept, with modes that do not
// depend on the umask, and with one time for all if there is one.
func tidy(root string, keepGit bool, t time.Time) error {
	if !keepGit {
		if err := removeGit(root); err != nil {
			return err
		}
	}
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
			return nil
		case d.Type().IsRegular():
			return tidyFile(path, d, t)
		}
		return setTime(path, t)
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- { // what is in a directory comes first
		if err = os.Chmod(dirs[i], 0o755); err == nil {
			err = setTime(dirs[i], t)
		}
	}
	return err
}

func tidyFile(path string, d fs.DirEntry, t time.Time) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	return setTime(path, t)
}

// setTime sets the time of a file, of a link itself.
func setTime(path string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	st, err := sys.StatAt(dir, filepath.Base(path))
	if err != nil {
		return err
	}
	st.Mtim = syscall.NsecToTimespec(t.UnixNano())
	st.Atim = st.Mtim
	return sys.OwnAt(dir, filepath.Base(path), st)
}

// removeGit removes git's directory, and the files in submodules that lead there.
func removeGit(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != ".git" {
			return err
		}
		if err := sys.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
