package sys

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestATreeIsRemovedHoweverDeep removes one whose paths nobody can name, with fewer descriptors than it has levels.
func TestATreeIsRemovedHoweverDeep(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 200, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()
	outside, top := t.TempDir(), filepath.Join(t.TempDir(), "top")
	kept := filepath.Join(outside, "kept")
	err := errors.Join(os.Mkdir(top, 0o700), os.WriteFile(kept, nil, 0o600), os.Symlink(outside, filepath.Join(top, "link")),
		os.Mkdir(filepath.Join(top, "deep-2"), 0o700), os.WriteFile(filepath.Join(top, "deep-2", "file"), nil, 0o600))
	for i := range 2 * namesHeld {
		err = errors.Join(err, os.WriteFile(filepath.Join(top, strconv.Itoa(i)), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	deepen(t, top, 5000)
	if err := RemoveAll(top); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(top); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := RemoveAll(top); err != nil {
		t.Errorf("what is not there: %v", err)
	}
}

// deepen makes so many directories in each other, with a file in each.
func deepen(t *testing.T, top string, levels int) {
	t.Helper()
	dir, err := os.Open(top)
	for i := 0; i < levels && err == nil; i++ {
		err = errors.Join(Mkdirat(dir, "d", 0o700), Symlinkat("/", dir, "file"))
		below, openErr := OpenIn(dir, "d", ODirectory, NoLinks)
		err = errors.Join(err, openErr, dir.Close())
		dir = below
	}
	if err != nil {
		t.Fatal(err)
	}
	dir.Close()
}

func TestWhatIsNoDirectoryIsRemoved(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(outside, 0o700), os.WriteFile(file, nil, 0o600), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(RemoveAll(file), RemoveAll(link), RemoveAll(dir)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// TestWhatCannotBeRemovedIsNamed has the rest go.
func TestWhatCannotBeRemovedIsNamed(t *testing.T) {
	if os.Geteuid() == 0 { // who would remove it
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestWhatCannotBeRemovedIsNamed$")
		cmd.Env, cmd.Dir = append(os.Environ(), "TMPDIR=/tmp"), "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	dir := filepath.Join(t.TempDir(), "dir")
	held := filepath.Join(dir, "held")
	err := errors.Join(os.MkdirAll(held, 0o700), os.WriteFile(filepath.Join(held, "file"), nil, 0o600), os.WriteFile(filepath.Join(dir, "other"), nil, 0o600),
		os.Chmod(held, 0o500))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(held, 0o700) }()
	err = RemoveAll(dir)
	var path *os.PathError
	if !errors.As(err, &path) || path.Path != filepath.Join(held, "file") || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "other")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rest is there: %v", err)
	}
}
