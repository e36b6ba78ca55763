package sys

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func put(text string) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
}

func TestAFileIsReplacedWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(path, []byte("before"), 0o600), ReplaceFile(path, put("new"))); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no more")
	err := ReplaceFile(path, func(temp string) error { return errors.Join(put("half")(temp), failed) })
	if data, readErr := os.ReadFile(path); !errors.Is(err, failed) || string(data) != "new" || readErr != nil {
		t.Errorf("after a write that failed with %v: %q, %v", err, data, readErr)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the file: %v, %v", entries, err)
	}
}

func TestALinkStaysAndItsTargetIsReplaced(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	err := errors.Join(os.WriteFile(target, []byte("a longer text before"), 0o600), os.Symlink("target", link), ReplaceFile(link, put("new")))
	data, readErr := os.ReadFile(target)
	if to, linkErr := os.Readlink(link); err != nil || readErr != nil || linkErr != nil || to != "target" || string(data) != "new" {
		t.Errorf("the link leads to %q (%v), where %q is (%v): %v", to, linkErr, data, readErr, err)
	}
}

// As root a rename would take /dev/stdout away from everybody.
func TestWhatAProcessHasOpenIsWrittenAndNotReplaced(t *testing.T) {
	dir := t.TempDir()
	open, err := os.Create(filepath.Join(dir, "redirected"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	self, link := "/proc/self/fd/"+strconv.Itoa(int(open.Fd())), filepath.Join(dir, "stdout")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{self, link} {
		if err := ReplaceFile(path, put("through "+filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(open.Name())
		if to, linkErr := os.Readlink(link); !strings.HasPrefix(string(data), "through "+filepath.Base(path)) || err != nil || to != self || linkErr != nil {
			t.Errorf("%s: the file has %q (%v), the link leads to %q (%v)", path, data, err, to, linkErr)
		}
	}
}

func TestAWholeFileOutlivesAWriteThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "of", "ours", "file")
	if err := WriteWhole(path, Bytes([]byte("before"))); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no more")
	err := WriteWhole(path, func(f *os.File) error { return errors.Join(Bytes([]byte("half"))(f), failed) })
	if data, readErr := os.ReadFile(path); !errors.Is(err, failed) || string(data) != "before" || readErr != nil {
		t.Errorf("after a write that failed with %v: %q, %v", err, data, readErr)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the file: %v, %v", entries, err)
	}
}
