package rootless

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/user"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Range maps Size ids, from Host on outside to Inside on inside (user_namespaces(7), "uid_map").
type Range struct{ Inside, Host, Size int }

// Mappings are the ids of a user's namespace. The first range is always the user as root.
type Mappings struct{ UIDs, GIDs []Range }

// Single says that there are no subordinate ids: only the user exists, as root.
func (m *Mappings) Single() bool { return len(m.UIDs) == 1 && len(m.GIDs) == 1 && m.UIDs[0].Size == 1 }

// Configured are the mappings that this user's namespace gets: the user as root, and the
// subordinate ids from 1 on.
func Configured(ctx context.Context, uid, gid int) (*Mappings, error) {
	name := userName(ctx, uid)
	if ctx.Err() != nil { // nobody may have been asked
		return nil, context.Cause(ctx)
	}
	uids, err := subordinate(ctx, "/etc/subuid", name, uid)
	if err != nil {
		return nil, err
	}
	gids, err := subordinate(ctx, "/etc/subgid", name, uid, "-g")
	if err != nil {
		return nil, err
	}
	if len(uids) == 0 || len(gids) == 0 {
		uids, gids = nil, nil
	}
	return &Mappings{UIDs: stack(uid, uids), GIDs: stack(gid, gids)}, nil
}

// Current are the mappings of the namespace this process is in (/proc/self/uid_map).
func Current() (*Mappings, error) {
	uids, err := user.ParseIDMapFile("/proc/self/uid_map")
	if err != nil {
		return nil, fmt.Errorf("cannot read the id map: %w", err)
	}
	gids, err := user.ParseIDMapFile("/proc/self/gid_map")
	if err != nil {
		return nil, fmt.Errorf("cannot read the id map: %w", err)
	}
	return &Mappings{UIDs: ranges(uids), GIDs: ranges(gids)}, nil
}

func ranges(maps []user.IDMap) []Range {
	out := make([]Range, 0, len(maps))
	for _, m := range maps {
		out = append(out, Range{Inside: int(m.ID), Host: int(m.ParentID), Size: int(m.Count)})
	}
	return out
}

// stack maps the user's own id and then each subordinate one, once: a line may be there twice, by name and by number, and files
// that are put together have ranges that overlap, all of which newuidmap would refuse.
func stack(own int, subs []user.SubID) []Range {
	out := []Range{{Inside: 0, Host: own, Size: 1}}
	for _, sub := range subs {
		out = mapMore(out, int(sub.SubID), int(sub.SubID+sub.Count))
	}
	return out
}

// noID is the id that means none: all are below it.
const noID = 1<<32 - 1

// mapMore maps the ids from first to before end that are not mapped yet.
func mapMore(out []Range, first, end int) []Range {
	if end = min(end, noID); first >= end {
		return out
	}
	for _, r := range out {
		if first < r.Host+r.Size && r.Host < end {
			return mapMore(mapMore(out, first, r.Host), r.Host+r.Size, end)
		}
	}
	last := out[len(out)-1]
	return append(out, Range{Inside: last.Inside + last.Size, Host: first, Size: end - first})
}

func userName(ctx context.Context, uid int) string {
	if u, err := osuser.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	// The directory service that knows the name may be one that only getent can ask.
	if out, err := program(ctx, "getent", "passwd", strconv.Itoa(uid)).Output(); err == nil {
		name, _, _ := strings.Cut(string(out), ":")
		return name
	}
	return strconv.Itoa(uid)
}

// subordinate are the ranges that a file, or NSS where /etc/nsswitch.conf has a subid line, gives a user.
func subordinate(ctx context.Context, file, name string, uid int, flags ...string) ([]user.SubID, error) {
	if conf, err := os.ReadFile("/etc/nsswitch.conf"); err == nil && bytes.Contains(conf, []byte("\nsubid:")) {
		if path, err := exec.LookPath("getsubids"); err == nil {
			out, err := program(ctx, path, append(flags, name)...).Output()
			if err == nil {
				return parseGetsubids(string(out)), nil
			}
			if ctx.Err() != nil { // else it would be taken for having none
				return nil, context.Cause(ctx)
			}
		}
	}
	found, err := user.ParseSubIDFileFilter(file, func(s user.SubID) bool {
		return s.Count > 0 && (s.Name == name || s.Name == strconv.Itoa(uid))
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the subordinate ids: %w", err)
	}
	return found, nil
}

// program is one that says something of the user's ids, or maps them. It is ended by ctx alone, and not by ^C, which is sent to all in a process
// group: else nobody could tell why it failed.
func program(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// parseGetsubids reads lines such as "0: user 100000 65536" (getsubids(1)).
func parseGetsubids(out string) []user.SubID {
	var found []user.SubID
	for line := range strings.Lines(out) {
		var index int
		var s user.SubID
		if n, _ := fmt.Sscanf(line, "%d: %s %d %d", &index, &s.Name, &s.SubID, &s.Count); n == 4 && s.Count > 0 {
			found = append(found, s)
		}
	}
	return found
}

// write writes the maps of the namespace of pid: through the setuid helpers, or directly where only
// the user's own id is mapped, which the kernel lets everybody do.
func (m *Mappings) write(ctx context.Context, pid int) error {
	if m.Single() {
		return m.writeSingle(pid)
	}
	if err := runMapper(ctx, "newuidmap", "/etc/subuid", pid, m.UIDs); err != nil {
		return err
	}
	return runMapper(ctx, "newgidmap", "/etc/subgid", pid, m.GIDs)
}

func (m *Mappings) writeSingle(pid int) error {
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("0 %d 1", m.UIDs[0].Host)},
		{"gid_map", fmt.Sprintf("0 %d 1", m.GIDs[0].Host)},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, f.name), []byte(f.text), 0); err != nil {
			return fmt.Errorf("cannot map the user's own id into a user namespace: %w", err)
		}
	}
	return nil
}

func runMapper(ctx context.Context, name, file string, pid int, ranges []Range) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the subordinate ids of %s: %s is not installed; install it (Debian and Ubuntu: apt install uidmap; Fedora: shadow-utils)", file, name)
	}
	args := []string{strconv.Itoa(pid)}
	for _, r := range ranges {
		args = append(args, strconv.Itoa(r.Inside), strconv.Itoa(r.Host), strconv.Itoa(r.Size))
	}
	out, err := program(ctx, path, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the subordinate ids of %s: %s (%s)", file, refusal(name, path, string(out)), strings.TrimSpace(string(out)))
}

// refusal says why a mapping helper did not do its work, and what to do.
func refusal(name, path, said string) string {
	switch {
	case !privileged(path):
		return fmt.Sprintf("%s is neither setuid root nor has it cap_setuid,cap_setgid; as root: chmod u+s %s", path, path)
	case sys.NoNewPrivs():
		return name + " may not become root here, because no_new_privs is set (by NoNewPrivileges=yes of a unit, or a sandbox); start moss without that"
	case sys.NoSuid(path):
		return path + " lies on a file system that is mounted nosuid; as root: mount that with suid"
	}
	if strings.Contains(said, "Cannot determine your user name") {
		return name + " serves users with a name only; this one's id has to be in the user database: see getent passwd"
	}
	return name + " refused; check that the ranges there belong to this user and overlap nobody else's"
}

// privileged says whether a mapping helper may do its work: setuid root, or with file capabilities.
func privileged(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == 0 && info.Mode()&os.ModeSetuid != 0 {
		return true
	}
	size, err := syscall.Getxattr(path, "security.capability", nil)
	return err == nil && size > 0
}

// explain says why the kernel refused a user namespace, and what to do about it.
func explain(errno syscall.Errno) error {
	unavailable := func(format string, args ...any) error {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot make a user namespace: "+format, args...)
	}
	if sysctl("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
		return unavailable("this system forbids them to users; as root: sysctl -w kernel.unprivileged_userns_clone=1")
	}
	if max := sysctl("/proc/sys/user/max_user_namespaces"); max == "0" {
		return unavailable("their number is limited to 0; as root: sysctl -w user.max_user_namespaces=15000")
	}
	if sysctl("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && (errno == syscall.EPERM || errno == syscall.EACCES) {
		return unavailable("AppArmor forbids them to programs without a profile; as root: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or install an AppArmor profile with `userns,` for moss (docs/install.md)")
	}
	switch errno {
	case syscall.ENOSPC, syscall.EUSERS:
		return unavailable("the limit of namespaces is reached (%w); as root: raise user.max_user_namespaces and user.max_net_namespaces with sysctl -w, or end what uses them (lsns)", errno)
	case syscall.EPERM, syscall.EACCES:
		return unavailable("%w; a container or sandbox around this one, or a security module, forbids it", errno)
	case syscall.EINVAL, syscall.ENOSYS:
		return unavailable("%w; the kernel was built without CONFIG_USER_NS", errno)
	}
	return unavailable("%w", errno)
}

func sysctl(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
