package fileop

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// state is what an entry is to be like.
func (u *unpacker) state(h *tar.Header) (*syscall.Stat_t, error) {
	own := u.owner
	if own == nil {
		if int64(uint32(h.Uid)) != int64(h.Uid) || int64(uint32(h.Gid)) != int64(h.Gid) {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "its owner is %d:%d, and ids go from 0 to 4294967294", h.Uid, h.Gid)
		}
		own = &owner{uint32(h.Uid), uint32(h.Gid)}
	}
	atime := h.AccessTime
	if atime.IsZero() {
		atime = h.ModTime
	}
	return &syscall.Stat_t{
		Mode: uint32(h.Mode) & 0o7777, Uid: own.uid, Gid: own.gid, Rdev: sys.Device(h.Devmajor, h.Devminor),
		Mtim: syscall.NsecToTimespec(h.ModTime.UnixNano()), Atim: syscall.NsecToTimespec(atime.UnixNano()),
	}, nil
}

// clear removes what is in an entry's place, but a directory that another one is laid over.
func (u *unpacker) clear(name string, dir bool) error {
	st, err := sys.StatAt(u.dir, name)
	if errors.Is(err, os.ErrNotExist) || err == nil && dir && isDir(st) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := u.dest.find(u.dirPath)
	if err != nil {
		return err
	}
	return u.dest.tree.RemoveAll(filepath.Join(found, name))
}

func (u *unpacker) make(ctx context.Context, name string, h *tar.Header, want *syscall.Stat_t, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.makeDir(name, h, want)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.makeFile(ctx, name, h, want, r)
	case tar.TypeLink:
		return u.makeHardLink(name, h)
	case tar.TypeSymlink:
		if err := sys.LinkTo(h.Linkname, u.dir, name); err != nil {
			return err
		}
		return sys.OwnAt(u.dir, name, want)
	}
	kind, ok := kinds[h.Typeflag]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "its type is %q, which is not known", h.Typeflag)
	}
	want.Mode |= kind
	return sys.CopyNode(u.dir, name, want)
}

var kinds = map[byte]uint32{tar.TypeFifo: syscall.S_IFIFO, tar.TypeChar: syscall.S_IFCHR, tar.TypeBlock: syscall.S_IFBLK}

func (u *unpacker) makeDir(name string, h *tar.Header, want *syscall.Stat_t) error {
	if err := sys.Mkdirat(u.dir, name, 0o700); err != nil {
		return err
	}
	dir, err := sys.OpenIn(u.dir, name, os.O_RDONLY|sys.ODirectory|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer dir.Close()
	return setState(dir, want, xattrsOf(h))
}

func (u *unpacker) makeFile(ctx context.Context, name string, h *tar.Header, want *syscall.Stat_t, r io.Reader) error {
	if h.Size > u.limit {
		return errdefs.Errorf(errdefs.ErrNoSpace, "it has %d bytes, which is more than the file system", h.Size)
	}
	f, err := sys.OpenIn(u.dir, name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, sys.NoLinks)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[small]byte)
	defer buffers.Put(buf)
	r = &interruptible{ctx, r}
	if isSparse(h) {
		err = writeSparse(f, r, buf[:])
	} else {
		_, err = io.CopyBuffer(struct{ io.Writer }{f}, r, buf[:])
	}
	if err == nil {
		err = setState(f, want, xattrsOf(h))
	}
	return errors.Join(err, f.Close())
}

// makeHardLink gives something that was unpacked, or was there, one more name.
func (u *unpacker) makeHardLink(name string, h *tar.Header) error {
	target, err := inside(h.Linkname)
	if err != nil {
		return err
	}
	dir, err := u.dest.find(filepath.Dir(target))
	if err != nil {
		return err
	}
	f, err := sys.OpenIn(u.dest.root, filepath.Join(dir, filepath.Base(target)), sys.OPath|sys.ONoFollow, sys.NoLinks)
	if err != nil {
		return err
	}
	defer f.Close()
	return sys.LinkAt(f, u.dir, name)
}

// xattrsOf are an entry's extended attributes, of those that go with a copy.
func xattrsOf(h *tar.Header) (attrs []sys.Xattr) {
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok && sys.CopiesXattr(name) {
			attrs = append(attrs, sys.Xattr{Name: name, Value: []byte(value)})
		}
	}
	slices.SortFunc(attrs, func(a, b sys.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return attrs
}

// isSparse says whether an entry has holes; package tar reads them as zeros.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// interruptible ends reading with a context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
