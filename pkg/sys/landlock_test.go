package sys

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A helper that somebody has taken over finds the name servers and its own directory, and nothing of the user's.
func TestAConfinedServerSeesNoFilesOfItsUser(t *testing.T) {
	home, own := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	secret := filepath.Join(home, "id_rsa")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := FileRules(own)
	if err != nil {
		t.Fatal(err)
	}
	if set == nil {
		t.Skip("this kernel has no Landlock")
	}
	defer set.Close()
	try := func(path string, flags int) error {
		f, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return err
		}
		return f.Close()
	}
	tries := map[string]error{}
	err = OnThread(func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set.Fd(), 0, 0); e != 0 {
			return e
		}
		tries["read a file of the user's"] = try(secret, os.O_RDONLY)
		tries["write to the user's home"] = try(filepath.Join(home, ".bashrc"), os.O_WRONLY|os.O_CREATE)
		tries["change its own directory"] = errors.Join(try(filepath.Join(own, "pid"), os.O_WRONLY|os.O_CREATE), os.Remove(filepath.Join(own, "pid")))
		tries["read name servers"] = try("/etc/resolv.conf", os.O_RDONLY)
		tries["read of processes"] = try("/proc/self/stat", os.O_RDONLY)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range tries {
		refused := errors.Is(err, syscall.EACCES)
		forbidden := what == "read a file of the user's" || what == "write to the user's home"
		if refused != forbidden || !refused && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
