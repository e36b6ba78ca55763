// Package host tells what this machine, this kernel and this user can do. Every answer comes from
// asking the kernel, not from guessing by version or by distribution.
package host

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// rootlessEnv is set by whoever made the user namespace, for go.podman.io/storage and for us.
const rootlessEnv = "_CONTAINERS_ROOTLESS_UID"

// Facts is what a container's configuration depends on. It is plain data, so that tests can make one.
type Facts struct {
	// Rootless says that the user who called is not root, whichever uid this process has by now.
	Rootless bool `json:"rootless"`
	// UserNamespace says that this process is not in the machine's first user namespace: mknod is
	// refused, overlay needs userxattr, and what belongs to other namespaces cannot be mounted anew.
	UserNamespace bool `json:"userNamespace"`
	// UIDs and GIDs are how many ids exist here, 1 in single-id mode, 1<<32 - 1 without a user namespace.
	UIDs uint32 `json:"uids"`
	GIDs uint32 `json:"gids"`

	Cgroup Cgroup `json:"cgroup"`

	Kernel string `json:"kernel"` // release: 6.12.5-amd64
	// Capabilities is the bounding set, one bit for each: more can never be given to a container.
	Capabilities uint64 `json:"capabilities"`
	OOMScore     int    `json:"oomScoreAdj"` // ours; only root may go below it
	// NoMQueue says that the host has no /dev/mqueue that could be shared.
	NoMQueue bool `json:"noMQueue,omitempty"`

	AppArmor bool `json:"appArmor"`
	SELinux  bool `json:"seLinux"`
	// UnprivilegedPort is the first port that a user without capabilities may bind.
	UnprivilegedPort int `json:"unprivilegedPort"`
}

// SingleID says that there is one user and one group only: chown and setgroups cannot work.
func (f Facts) SingleID() bool { return f.UIDs == 1 || f.GIDs == 1 }

// OverlayUserXattr says that overlay must keep its marks in user.overlay.*: overlayfs.rst, "User
// xattr".
func (f Facts) OverlayUserXattr() bool { return f.UserNamespace }

// KernelAtLeast compares the running kernel with a version.
func (f Facts) KernelAtLeast(major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(f.Kernel, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return cmp.Or(cmp.Compare(a, major), cmp.Compare(b, minor)) >= 0
}

// Suffices refuses a kernel that is too old to run containers: mount_setattr(2), of Linux 5.12, is the newest call that Moss cannot do
// without. Overlay mounts of users came with 5.11.
func Suffices() error {
	if sys.CanSetMountAttr() {
		return nil
	}
	release, err := sys.KernelRelease()
	if err != nil {
		return fmt.Errorf("cannot ask for the kernel's version: %w", err)
	}
	if (Facts{Kernel: release}).KernelAtLeast(5, 12) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot run containers: a sandbox around moss keeps it from changing mounts, since mount_setattr(2) is not there; run moss outside of it")
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot run containers on Linux %s: moss needs Linux 5.12 or newer, which Debian 12 and Ubuntu 22.04 have", release)
}

// Probe finds the facts. It costs a dozen small reads under /proc and /sys, no more.
func Probe() (Facts, error) {
	f := Facts{Rootless: rootless()}
	var err error
	if f.Kernel, err = sys.KernelRelease(); err != nil {
		return f, fmt.Errorf("cannot ask for the kernel's version: %w", err)
	}
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return f, fmt.Errorf("cannot read how user ids are mapped: %w; is /proc mounted?", err)
	}
	gidMap, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return f, fmt.Errorf("cannot read how group ids are mapped: %w; is /proc mounted?", err)
	}
	f.UIDs, f.GIDs = mapped(uidMap), mapped(gidMap)
	f.UserNamespace = !initialMap(uidMap)
	if f.Capabilities, err = boundingSet("/proc/self/status"); err != nil {
		return f, err
	}
	f.OOMScore = number("/proc/self/oom_score_adj", 0)
	f.UnprivilegedPort = number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024)
	f.NoMQueue = !sys.Exists("/dev/mqueue")
	f.AppArmor = sys.Exists("/sys/kernel/security/apparmor")
	f.SELinux = sys.Exists("/sys/fs/selinux/enforce")
	f.Cgroup = probeCgroup("/sys/fs/cgroup", "/proc/self/cgroup", user(f.UserNamespace))
	return f, nil
}

// User is the id of the user who called, also where they are root in their namespace already (`moss unshare moss`). It is 0 for root
// of another user namespace, too.
func User() int {
	if uid, err := strconv.Atoi(os.Getenv(rootlessEnv)); err == nil && uid > 0 {
		return uid
	}
	return os.Geteuid()
}

// user is User; -1 for root of another user namespace.
func user(namespace bool) int {
	if uid := User(); uid != 0 || !namespace {
		return uid
	}
	return -1
}

func rootless() bool {
	if uid := os.Getenv(rootlessEnv); uid != "" {
		return uid != "0"
	}
	return os.Geteuid() != 0
}

// mapped counts the ids of a uid_map, user_namespaces(7), that are of use: those before the first gap.
func mapped(text []byte) uint32 {
	size := map[uint64]uint64{}
	for line := range strings.Lines(string(text)) {
		var inside, outside, n uint64
		if _, err := fmt.Sscan(line, &inside, &outside, &n); err == nil {
			size[inside] = n
		}
	}
	var next uint64
	for n := size[next]; n > 0; n = size[next] {
		next += n
	}
	return uint32(min(next, 1<<32-1))
}

func initialMap(text []byte) bool {
	return strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295"
}

func boundingSet(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("cannot read this process's capabilities: %w", err)
	}
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if hex, ok := strings.CutPrefix(s.Text(), "CapBnd:"); ok {
			return strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	}
	return 0, fmt.Errorf("cannot find CapBnd in %s", path)
}

func number(path string, otherwise int) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return otherwise
	}
	return n
}
