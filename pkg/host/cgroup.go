package host

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/scope"
	"github.com/mosscontainers/moss/pkg/sys"
)

// CgroupVersion is how control groups are mounted: cgroups(7).
type CgroupVersion string

// The ways control groups are mounted. Hybrid has version 1 controllers and an empty version 2 tree.
const (
	CgroupNone   CgroupVersion = ""
	CgroupV1     CgroupVersion = "v1"
	CgroupHybrid CgroupVersion = "hybrid"
	CgroupV2     CgroupVersion = "v2"
)

// Cgroup is what this user can do with control groups.
type Cgroup struct {
	Version CgroupVersion `json:"version,omitempty"`
	// Parent is the directory, relative to each hierarchy's mount point, below which a container's
	// own goes: "/moss", or "/user.slice/user-1000.slice/user@1000.service/moss". "" means that none can be
	// had, and Why says why.
	Parent string `json:"parent,omitempty"`
	Why    string `json:"why,omitempty"`
	// Outside says that this process is where it cannot put others below Parent by itself: package scope can, and makes
	// Parent where it is not there yet.
	Outside bool `json:"outside,omitempty"`
	// Controllers that can be used below Parent.
	Controllers []string `json:"controllers,omitempty"`
	// Swap says that swap can be limited.
	Swap bool `json:"swap,omitempty"`
}

// Has says whether a container's use of a controller's resource can be limited.
func (c Cgroup) Has(controller string) bool {
	return c.Parent != "" && slices.Contains(c.Controllers, controller)
}

// probeCgroup looks at the hierarchies mounted at root and at our place in them. uid is the user's, 0 where nothing needs
// to be delegated.
func probeCgroup(root, self string, uid int) Cgroup {
	if sys.Exists(path.Join(root, "cgroup.controllers")) {
		return probeV2(root, self, uid)
	}
	c := Cgroup{Version: CgroupV1}
	if sys.Exists(path.Join(root, "unified/cgroup.controllers")) {
		c.Version = CgroupHybrid
	}
	if uid != 0 {
		c.Why = "cgroup version 1 cannot be delegated to users; boot with systemd.unified_cgroup_hierarchy=1"
		return c
	}
	for _, name := range []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"} {
		if sys.Writable(path.Join(root, name)) {
			c.Controllers = append(c.Controllers, name)
		}
	}
	if len(c.Controllers) == 0 {
		return Cgroup{Why: "no cgroup hierarchy that can be written is mounted at " + root}
	}
	c.Parent = "/moss"
	c.Swap = sys.Exists(path.Join(root, "memory/memory.memsw.limit_in_bytes"))
	return c
}

// probeV2 finds where the groups of containers can be made: in the user's scope, or where that cannot be had in the
// highest of our ancestors that we may write.
func probeV2(root, self string, uid int) Cgroup {
	own := ownV2(self)
	if uid != 0 && writableGroup(root, scope.Path(uid)) {
		return inScope(root, own, uid, path.Join(root, scope.Path(uid)))
	}
	if own == "" {
		return Cgroup{Version: CgroupV2, Why: "this process's place in the cgroup tree cannot be read from " + self}
	}
	top := ""
	for dir := own; writableGroup(root, dir); dir = path.Dir(dir) {
		if top = dir; dir == "/" {
			break
		}
	}
	switch {
	case top != "":
		at := path.Join(root, top)
		c := Cgroup{Version: CgroupV2, Parent: path.Join(top, "moss"), Controllers: v2Controllers(at, top == "/")}
		c.Swap = c.Has("memory") && swapLimit(at)
		return c
	case uid != 0 && writableGroup(root, scope.Manager(uid)) && sys.Exists(scope.Socket(uid)):
		return inScope(root, own, uid, path.Join(root, scope.Manager(uid)))
	}
	return Cgroup{Version: CgroupV2, Why: "the cgroup " + own + " is not delegated to this user, and systemd runs nothing for them; " +
		"log in through systemd, or as root: loginctl enable-linger " + strconv.Itoa(uid)}
}

// inScope is the user's scope, which has, or will have, the controllers of the group at. A process can be moved only where
// the common ancestor of its old and new cgroup can be written too (cgroup-v2.rst, "Delegation Containment").
func inScope(root, own string, uid int, at string) Cgroup {
	c := Cgroup{Version: CgroupV2, Parent: scope.Path(uid), Controllers: fields(path.Join(at, "cgroup.controllers"))}
	c.Outside = !strings.HasPrefix(own, scope.Manager(uid)+"/") || !sys.Exists(path.Join(root, c.Parent))
	c.Swap = c.Has("memory") && swapLimit(at)
	return c
}

// writableGroup says whether groups can be made, and processes be put, below dir.
func writableGroup(root, dir string) bool {
	at := path.Join(root, dir)
	return sys.Writable(at) && sys.Writable(path.Join(at, "cgroup.procs"))
}

// v2Controllers are those that children of the cgroup at may use. Where it holds processes itself only
// the root of the tree could enable more of them ("No Internal Process Constraint").
func v2Controllers(at string, isRoot bool) []string {
	name := "cgroup.controllers"
	if !isRoot && occupied(at) {
		name = "cgroup.subtree_control"
	}
	return fields(path.Join(at, name))
}

func fields(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

func occupied(at string) bool {
	text, err := os.ReadFile(path.Join(at, "cgroup.procs"))
	return err != nil || len(text) > 0
}

// swapLimit looks into the cgroup itself and, because the root has no limits, into its children.
func swapLimit(at string) bool {
	if sys.Exists(path.Join(at, "memory.swap.max")) {
		return true
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return e.IsDir() && sys.Exists(path.Join(at, e.Name(), "memory.swap.max"))
	})
}

// ownV2 is the path after "0::" in /proc/self/cgroup.
func ownV2(self string) string {
	text, err := os.ReadFile(self)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if p, ok := strings.CutPrefix(line, "0::"); ok {
			// "/.." shows a place outside of our cgroup namespace.
			if p = strings.TrimSpace(p); !strings.HasPrefix(p, "/..") {
				return p
			}
		}
	}
	return ""
}
