package fileop

import (
	"errors"
	"os"
	"syscall"
	"time"

	mode "github.com/tonistiigi/dchapes-mode"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// attributes are what an action says of the files that it makes. The zero value leaves all as it is at the source.
type attributes struct {
	owner *owner
	mode  *uint32   // the twelve permission bits
	modes *mode.Set // a change of the mode, as chmod(1) has it
	time  *time.Time
}

type owner struct{ uid, gid uint32 }

func parseModes(s string) (*mode.Set, error) {
	set, err := mode.ParseWithUmask(s, 0)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot change modes to %q: %w", s, err)
	}
	return &set, nil
}

// apply is what of the state of a source becomes that of its copy.
func (a attributes) apply(st *syscall.Stat_t) *syscall.Stat_t {
	want := *st
	if a.owner != nil {
		want.Uid, want.Gid = a.owner.uid, a.owner.gid
	}
	a.stamp(&want)
	switch {
	case st.Mode&syscall.S_IFMT == syscall.S_IFLNK:
	case a.modes != nil:
		want.Mode = want.Mode&^0o7777 | permissions(a.modes.Apply(fileMode(st.Mode)))
	case a.mode != nil:
		want.Mode = want.Mode&^0o7777 | *a.mode&0o7777
	}
	return &want
}

func (a attributes) stamp(st *syscall.Stat_t) {
	if a.time != nil {
		st.Mtim = syscall.NsecToTimespec(a.time.UnixNano())
		st.Atim = st.Mtim
	}
}

// set gives an open file that is at st the attributes.
func (a attributes) set(f *os.File, st *syscall.Stat_t) error {
	return setState(f, a.apply(st), nil)
}

// setState gives an open file an owner, mode, extended attributes and times. The order matters: a change of the owner clears setuid and
// file capabilities, any change sets the time.
func setState(f *os.File, st *syscall.Stat_t, xattrs []sys.Xattr) error {
	if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
		return explainOwner(err, st)
	}
	if err := sys.Fchmod(f, st.Mode&0o7777); err != nil {
		return err
	}
	for _, x := range xattrs {
		// Some need rights that a user namespace does not have, or a file system does not have them: they are left out.
		if err := sys.SetXattr(f, x); err != nil && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.EPERM) {
			return err
		}
	}
	return sys.SetTimes(f, st)
}

// explainOwner says what a refused change of ids means.
func explainOwner(err error, st *syscall.Stat_t) error {
	if errors.Is(err, syscall.EINVAL) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"cannot give files to user %d, group %d: the user namespace does not have both; see /etc/subuid and /etc/subgid", st.Uid, st.Gid)
	}
	return err
}

// fileMode and permissions translate between the kernel's permission bits and Go's.
func fileMode(bits uint32) os.FileMode {
	m := os.FileMode(bits & 0o777)
	for _, b := range specialBits {
		if bits&b.bit != 0 {
			m |= b.mode
		}
	}
	if bits&syscall.S_IFMT == syscall.S_IFDIR {
		m |= os.ModeDir
	}
	return m
}

func permissions(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	for _, b := range specialBits {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

var specialBits = [...]struct {
	bit  uint32
	mode os.FileMode
}{{syscall.S_ISUID, os.ModeSetuid}, {syscall.S_ISGID, os.ModeSetgid}, {syscall.S_ISVTX, os.ModeSticky}}
