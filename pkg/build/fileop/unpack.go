package fileop

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// unpack unpacks a source that is an archive to the destination, and says whether it is one.
func (c *copying) unpack(ctx context.Context, src string) (bool, error) {
	f, err := c.source.OpenFile(src)
	if f == nil || err != nil {
		return false, err
	}
	defer f.Close()
	if is, err := IsArchive(f); !is || err != nil {
		return false, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return true, err
	}
	made, err := c.mkdirAll(c.action.Dest)
	if err != nil {
		return true, err
	}
	found, err := c.dest.find(c.action.Dest)
	if err != nil {
		return true, err
	}
	into, err := c.dest.sub(found)
	if err != nil {
		return true, err
	}
	defer into.Close()
	if err := unpack(ctx, f, into, c.attrs.owner); err != nil {
		return true, err
	}
	return true, c.dest.touch(made, c.attrs)
}

// Unpack unpacks a tar archive, compressed or not, into a directory. Nothing in it leads out of the directory.
func Unpack(ctx context.Context, archive io.Reader, dir string) error {
	d, err := openDestination(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return unpack(ctx, archive, d, nil)
}

// unpacker unpacks one archive. Links in it, or that were there, lead to somewhere below the directory that it is unpacked into.
type unpacker struct {
	dest  *destination
	owner *owner // of all; nil is whom the archive names
	limit int64  // how large a file may be, in bytes
	// dir is the directory that the last entry went to: the next one mostly goes there too.
	dir     *os.File
	dirPath string
	dirTime *syscall.Stat_t
}

func unpack(ctx context.Context, archive io.Reader, d *destination, own *owner) (err error) {
	plain, err := decompress(archive)
	if err != nil {
		return err
	}
	defer plain.Close()
	limit, err := sys.FsSize(d.root)
	if err != nil {
		return err
	}
	u := &unpacker{dest: d, owner: own, limit: limit}
	defer func() { err = errors.Join(err, u.leave()) }()
	r := tar.NewReader(plain)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && h == nil {
			return fmt.Errorf("cannot read the archive: %w", err)
		}
		if err := u.entry(ctx, h, r); err != nil {
			return fmt.Errorf("cannot unpack the entry %q: %w", h.Name, err)
		}
	}
}

func (u *unpacker) entry(ctx context.Context, h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	path, err := inside(h.Name)
	if err != nil || path == "" {
		return err
	}
	if err := u.enter(filepath.Dir(path)); err != nil {
		return err
	}
	want, err := u.state(h)
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	if err := u.clear(name, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	return u.make(ctx, name, h, want, r)
}

// inside is an entry's path below the directory, "" for that itself.
func inside(name string) (string, error) {
	if clean := filepath.Clean(name); clean == ".." || strings.HasPrefix(clean, "../") {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "%s leads out of the directory", name)
	}
	return below(name), nil
}

// enter goes to the directory of an entry, which is made if the archive has left it out.
func (u *unpacker) enter(path string) error {
	if u.dir != nil && path == u.dirPath {
		return nil
	}
	if err := u.leave(); err != nil {
		return err
	}
	found, err := u.dest.find(path)
	if err != nil {
		return err
	}
	bits := uint32(0o755)
	own := u.owner
	if own == nil {
		own = &owner{}
	}
	dir, _, err := u.dest.mkdirAll(found, attributes{mode: &bits, owner: own})
	if err != nil {
		return err
	}
	st, err := sys.StatAt(dir, ".")
	u.dir, u.dirPath, u.dirTime = dir, path, st
	return err
}

// leave gives the directory the time again that it had before it was filled.
func (u *unpacker) leave() error {
	if u.dir == nil {
		return nil
	}
	err := sys.SetTimes(u.dir, u.dirTime)
	u.dir.Close()
	u.dir = nil
	return err
}
