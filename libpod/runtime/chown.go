package runtime

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// chown gives what is in a mount to the container's user, if the bundle asks for that. It does so by descriptors in the detached mount, so
// that a container which shares the directory leads it nowhere else by a link.
func (r *rootfs) chown(mount *os.File, target string) error {
	if !slices.Contains(r.bundle.Chown, target) {
		return nil
	}
	st, err := mount.Stat()
	if err != nil {
		return err
	}
	o := ownership{r.user, st.Sys().(*syscall.Stat_t).Dev}
	if err := o.give(mount, ""); err != nil {
		return fmt.Errorf("cannot give its files to user %d, group %d: %w", o.uid, o.gid, err)
	}
	if !st.IsDir() {
		return nil
	}
	dir, err := sys.OpenIn(mount, ".", os.O_RDONLY|sys.ODirectory, sys.NoLinks)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := o.giveAll(dir); err != nil {
		return fmt.Errorf("cannot give its files to user %d, group %d: %w", o.uid, o.gid, err)
	}
	return nil
}

// ownership is whose the files of one file system are to be.
type ownership struct {
	*identity
	dev uint64
}

// give changes the owner of one entry of dir, or of dir itself, which the name "" stands for. One that was removed just now needs none.
func (o ownership) give(dir *os.File, name string) error {
	err := sys.ChownAt(dir, name, o.uid, o.gid)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// giveAll changes the owners of everything below dir.
func (o ownership) giveAll(dir *os.File) error {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := o.give(dir, e.Name()); err != nil {
			return err
		}
		if !e.IsDir() {
			continue
		}
		if err := o.descend(dir, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// descend does giveAll in a directory, but not in one where something else is mounted.
func (o ownership) descend(dir *os.File, name string) error {
	sub, err := sys.OpenIn(dir, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	if errors.Is(err, os.ErrNotExist) || isErrno(err, syscall.ENOTDIR) || isErrno(err, syscall.ELOOP) {
		return nil // it was replaced meanwhile
	}
	if err != nil {
		return err
	}
	defer sub.Close()
	st, err := sub.Stat()
	if err != nil || st.Sys().(*syscall.Stat_t).Dev != o.dev {
		return err
	}
	return o.giveAll(sub)
}
