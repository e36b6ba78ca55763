package fileop

import (
	"bytes"
	"io"
	"math"
	"os"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/sys/user"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/pkg/users"
)

// owner is whom an action gives its files to; nil leaves them to whom they belong.
func (o *Options) owner(c *pb.ChownOpt) (*owner, error) {
	if c == nil {
		return nil, nil
	}
	own := &owner{}
	if err := o.user(c.User, own); err != nil {
		return nil, err
	}
	if err := o.group(c.Group, own); err != nil {
		return nil, err
	}
	return own, CheckOwner(own.uid, own.gid)
}

// CheckOwner fails for the id that chown(2) takes for none, which -1 of a Dockerfile or of an image becomes: files would stay the super-user's.
func CheckOwner(uid, gid uint32) error {
	if uid == math.MaxUint32 || gid == math.MaxUint32 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot give files to user %d, group %d: there is no id -1", int32(uid), int32(gid))
	}
	return nil
}

// user looks up a user and its primary group; a number is that of a group as well.
func (o *Options) user(u *pb.UserOpt, own *owner) error {
	switch u := u.GetUser().(type) {
	case *pb.UserOpt_ByID:
		own.uid, own.gid = u.ByID, u.ByID
	case *pb.UserOpt_ByName:
		found, err := lookUp(o, u.ByName, "etc/passwd", 4, func(r io.Reader) ([]user.User, error) {
			return user.ParsePasswdFilter(r, func(v user.User) bool { return v.Name == u.ByName.Name })
		})
		if err != nil {
			return err
		}
		own.uid, own.gid = uint32(found.Uid), uint32(found.Gid)
	}
	return nil
}

func (o *Options) group(g *pb.UserOpt, own *owner) error {
	switch g := g.GetUser().(type) {
	case *pb.UserOpt_ByID:
		own.gid = g.ByID
	case *pb.UserOpt_ByName:
		found, err := lookUp(o, g.ByName, "etc/group", 3, func(r io.Reader) ([]user.Group, error) {
			return user.ParseGroupFilter(r, func(v user.Group) bool { return v.Name == g.ByName.Name })
		})
		if err != nil {
			return err
		}
		own.gid = uint32(found.Gid)
	}
	return nil
}

// lookUp finds the first of what a file of an input says about a name.
func lookUp[T any](o *Options, n *pb.NamedUserOpt, file string, fields int, parse func(io.Reader) ([]T, error)) (found T, err error) {
	path, err := o.root(n.Input)
	if err != nil {
		return found, err
	}
	root, err := os.OpenFile(path, os.O_RDONLY|sys.ODirectory, 0)
	if err != nil {
		return found, err
	}
	defer root.Close()
	content, err := users.ReadFile(root, file, fields)
	if err != nil {
		return found, err
	}
	all, err := parse(bytes.NewReader(content))
	if err == nil && len(all) == 0 {
		err = errdefs.Errorf(errdefs.ErrNotFound, "cannot give files to %q: /%s of the image does not have that name; use a number", n.Name, file)
	}
	if err != nil {
		return found, err
	}
	return all[0], nil
}
