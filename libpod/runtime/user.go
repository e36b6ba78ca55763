package runtime

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/user"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/users"
)

// identity is whom a process runs as.
type identity struct {
	uid, gid int
	groups   []uint32
	keep     bool // the additional groups that the process has already, instead
	home     string
}

// keepGroups is what stands for the groups that a process has already, as in package spec.
const keepGroups = "keep-groups"

// explain says what a refused change of ids means: EINVAL is the kernel's word for one that is not mapped (chown(2), setresuid(2)).
func (u *identity) explain(err error) error {
	const what = "cannot run as user %d, group %d, groups %v: the user namespace does not have all of them; see /etc/subuid and /etc/subgid"
	switch {
	case errors.Is(err, syscall.EINVAL):
		return errdefs.Errorf(errdefs.ErrInvalid, what, u.uid, u.gid, u.groups)
	case errors.Is(err, syscall.EPERM):
		return errdefs.Errorf(errdefs.ErrInvalid, what+": %w", u.uid, u.gid, u.groups, err)
	}
	return err
}

// resolveUser finds out whom the process runs as, and gives it a HOME.
func (s *stage) resolveUser(spec string, groups []string) error {
	given := s.proc.User
	u := &identity{uid: int(given.UID), gid: int(given.GID), groups: given.AdditionalGids}
	if slices.Contains(groups, keepGroups) {
		u.keep, groups = true, nil
	}
	needHome := !hasEnv(s.proc.Env, "HOME")
	if spec != "" || len(groups) > 0 || needHome {
		if err := u.lookUp(s.root, spec, groups, needHome); err != nil {
			return err
		}
	}
	if needHome {
		s.proc.Env = append(s.proc.Env, "HOME="+u.home)
	}
	s.user = u
	return nil
}

func hasEnv(env []string, name string) bool {
	for _, e := range env {
		if strings.HasPrefix(e, name+"=") {
			return true
		}
	}
	return false
}

func (u *identity) lookUp(root *os.File, spec string, groups []string, needHome bool) error {
	if err := checkUserSpec(spec); err != nil {
		return err
	}
	passwd, err := users.ReadFile(root, "etc/passwd", 4)
	if err != nil {
		if spec == "" && len(groups) == 0 { // only HOME was wanted
			u.home = "/"
			return nil
		}
		return err
	}
	var group io.Reader
	if spec != "" || len(groups) > 0 {
		b, err := users.ReadFile(root, "etc/group", 3)
		if err != nil {
			return err
		}
		group = bytes.NewReader(b)
	}
	if spec == "" {
		u.home = homeOf(passwd, u.uid)
	} else {
		if err := u.parse(spec, passwd, group); err != nil {
			return err
		}
	}
	return u.addGroups(groups, root)
}

// parse resolves "user", "user:group" and ":group", which is root's, with names or numbers.
func (u *identity) parse(spec string, passwd []byte, group io.Reader) error {
	found, err := user.GetExecUser(spec, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), group)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot run as user %q: %w", spec, err)
	}
	u.uid, u.gid, u.home = found.Uid, found.Gid, found.Home
	if u.home == "" {
		u.home = "/"
	}
	// The primary group is a supplementary one too: a setgid program could shed it otherwise, and with it what the
	// group is denied (CVE-2022-36109).
	u.groups = append(u.groups, uint32(found.Gid))
	for _, g := range found.Sgids {
		u.groups = append(u.groups, uint32(g))
	}
	return nil
}

func (u *identity) addGroups(groups []string, root *os.File) error {
	if len(groups) == 0 {
		return nil
	}
	for _, g := range groups {
		if err := checkUserSpec(g); err != nil {
			return err
		}
	}
	b, err := users.ReadFile(root, "etc/group", 3)
	if err != nil {
		return err
	}
	gids, err := user.GetAdditionalGroups(groups, bytes.NewReader(b))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot add the groups %s: %w", strings.Join(groups, ", "), err)
	}
	for _, g := range gids {
		if !slices.Contains(u.groups, uint32(g)) {
			u.groups = append(u.groups, uint32(g))
		}
	}
	return nil
}

func homeOf(passwd []byte, uid int) string {
	found, err := user.ParsePasswdFilter(bytes.NewReader(passwd), func(u user.User) bool { return u.Uid == uid })
	if err != nil || len(found) == 0 || found[0].Home == "" {
		return "/"
	}
	return found[0].Home
}

// checkUserSpec refuses numbers that a lookup could take for something else: what looks like a number is
// one, and a user or group id of Linux; the greatest number means "no change" to the kernel.
func checkUserSpec(spec string) error {
	if spec == "" {
		return nil
	}
	name, group, _ := strings.Cut(spec, ":")
	if name == "" && group == "" || strings.Contains(group, ":") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot run as user %q: it is not of the form [user][:group]", spec)
	}
	for _, part := range []string{name, group} {
		if part == "" || strings.Trim(part, "+-0123456789") != "" {
			continue
		}
		if id, err := strconv.ParseUint(part, 10, 64); err != nil || id >= math.MaxUint32 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot run as user %q: %s is no id; ids go from 0 to 4294967294", spec, part)
		}
	}
	return nil
}
