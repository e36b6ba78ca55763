package runtime

import "github.com/mosscontainers/moss/pkg/sys"

// Kept names the process of a container that another program, which the same process executes, can take over.
type Kept struct {
	Pid     int    `json:"pid"`
	Cgroup  string `json:"cgroup,omitempty"`
	OwnPIDs bool   `json:"ownPids,omitempty"`
}

// Adopter is a launcher whose containers outlive its program.
type Adopter interface {
	// Keep is for Adopt. ok says that the container outlives this program.
	Keep(p Process) (k Kept, ok bool)
	// Adopt takes over what runs already: it is Ready, was Started, and has no Console.
	Adopt(k Kept) (Process, error)
}

// Keep is for the thread that called Create.
func (l *Own) Keep(p Process) (k Kept, ok bool) {
	own, ok := p.(*process)
	if !ok || !sys.IsFirstThread() {
		return k, false
	}
	return Kept{Pid: own.pid, Cgroup: own.group.path, OwnPIDs: own.ownPIDs}, true
}

func (l *Own) Adopt(k Kept) (Process, error) {
	group, err := openCgroup(k.Cgroup, cgroupResources(nil))
	if err != nil {
		return nil, err
	}
	return &process{
		child: &sys.Child{Pid: k.Pid}, pid: k.Pid, group: group, ownPIDs: k.OwnPIDs, spare: l.Spare,
	}, nil
}
