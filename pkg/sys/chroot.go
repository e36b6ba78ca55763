package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// InRoot runs do on a thread of its own whose root directory is dir: no path that it uses, through whatever links, leads
// out of there. Goroutines that it starts are not on that thread.
func InRoot(dir *os.File, do func() error) error {
	return OnThread(func() error {
		if err := enterRoot(dir); err != nil {
			return err
		}
		return do()
	})
}

func enterRoot(dir *os.File) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot confine a thread: %w", os.NewSyscallError("unshare", err))
	}
	if err := unix.Fchdir(dirfd(dir)); err != nil {
		return fmt.Errorf("cannot enter %s: %w", dir.Name(), os.NewSyscallError("fchdir", err))
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("cannot enter %s: %w", dir.Name(), os.NewSyscallError("chroot", err))
	}
	return nil
}
