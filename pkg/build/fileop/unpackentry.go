package fileop

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

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
