package state

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Status is what a container is, as `ps` shows it.
type Status string

// The statuses.
const (
	Created  Status = "created"
	Running  Status = "running"
	Stopping Status = "stopping" // somebody stops it; it may still run
	// Restarting: it has ended, and its monitor will run it again by its restart policy.
	Restarting Status = "restarting"
	Exited     Status = "exited"
)

func (s Status) known() bool {
	switch s {
	case Created, Running, Stopping, Restarting, Exited:
		return true
	}
	return false
}

// Intent is written before an act that changes more than the record, so that whoever finds it can
// finish or undo what a killed command began.
type Intent string

// The intents.
const (
	None     Intent = ""
	Starting Intent = "starting"
	// Bearing is Starting for a container that vanishes at its end and is just being made: if it does not come to start, it never was.
	Bearing  Intent = "bearing"
	Removing Intent = "removing"
	// RemovingVolumes is Removing together with the container's anonymous volumes.
	RemovingVolumes Intent = "removing with volumes"
)

// briefSpec is what Store.Brief leaves of a description.
//
//easyjson:json
type briefSpec struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Remove bool   `json:"remove"`
}

// Record is what changes about a container: containers/<id>/state.json.
//
//easyjson:json
type Record struct {
	// Format is what it takes to understand this: package record.
	Format int    `json:"format,omitempty"`
	Status Status `json:"status"`
	Intent Intent `json:"intent,omitempty"`

	// Boot is the boot in which Starting or Bearing was last written, PIDs the PID namespace's inode, and Host what the machine was called.
	Boot    string      `json:"boot,omitempty"`
	PIDs    uint64      `json:"pids,omitempty"`
	Host    string      `json:"host,omitempty"`
	RunDir  string      `json:"runDir,omitempty"` // the container's directory on the file system that a reboot wipes
	Init    sys.Process `json:"init,omitzero"`    // the container's first process
	Monitor sys.Process `json:"monitor,omitzero"` // of the present or the last run

	// Stoppers are the processes that stop it: as long as one of them lives, it is Stopping.
	Stoppers []sys.Process `json:"stoppers,omitempty"`

	// Restarter is the process that stops it only to start it again: until the next life has begun, it does not vanish at its end while that lives.
	Restarter sys.Process `json:"restarter,omitzero"`

	StartedAt    time.Time `json:"startedAt,omitzero"`
	FinishedAt   time.Time `json:"finishedAt,omitzero"`
	ExitCode     int       `json:"exitCode"`
	OOMKilled    bool      `json:"oomKilled,omitempty"`
	Error        string    `json:"error,omitempty"`
	RestartCount int       `json:"restartCount,omitempty"`

	Network Network `json:"network,omitzero"`
	// Cleanup are files to unlink once the container has ended: leases, for example.
	Cleanup []string `json:"cleanup,omitempty"`
	// Cgroup is the container's cgroup as the OCI configuration names it, "" without one. Its monitor removes that with the
	// end of each life; of one that was killed, the next start or the removal of the container does.
	Cgroup string `json:"cgroup,omitempty"`
	// Unattended says of an observed record that the container has outlived its monitor, as one of an OCI runtime may:
	// what it writes is lost, its ports are closed, and its exit code will not be known.
	Unattended bool `json:"-"`
	// Elsewhere says of an observed record that the container runs where nobody sees its processes from here: on another machine that has the
	// same store, or in another PID namespace of this one.
	Elsewhere bool `json:"-"`

	layer string // the directory that its monitor has locked; "" where nobody needs to know
}

// Network is what the container got when it was started.
type Network struct {
	Endpoints []spec.Endpoint    `json:"endpoints,omitempty"`
	Ports     []spec.PortMapping `json:"ports,omitempty"` // with the host ports that were chosen
}

// IsZero is for package json.
func (n *Network) IsZero() bool { return len(n.Endpoints) == 0 && len(n.Ports) == 0 }

// Endpoint is what it has on a network; nil when it is not connected.
func (n *Network) Endpoint(network string) *spec.Endpoint {
	for i := range n.Endpoints {
		if n.Endpoints[i].Network == network {
			return &n.Endpoints[i]
		}
	}
	return nil
}

// Active says whether the record speaks of a container that has a monitor.
func (r *Record) Active() bool {
	return r.Status == Running || r.Status == Stopping || r.Status == Restarting
}

// Observed is the record as a reader should show it, whether or not those who should have written down what
// happened lived to do so.
func (r Record) Observed() Record {
	if r.Intent == Starting || r.Intent == Bearing {
		r.begun()
	}
	if r.Active() && !r.Monitor.Alive() {
		if r.Unattended = r.Init.Alive(); !r.Unattended {
			r.Elsewhere = r.livesElsewhere()
		}
		if !r.Unattended && !r.Elsewhere {
			r.lost()
		}
	}
	if r.Status == Stopping && !slices.ContainsFunc(r.Stoppers, sys.Process.Alive) {
		r.Status, r.Stoppers = Running, nil // who was stopping it was killed
	}
	return r
}

// StoppedBy notes who stops it.
func (r *Record) StoppedBy(p sys.Process) {
	r.Stoppers = append(slices.DeleteFunc(slices.Clone(r.Stoppers), func(p sys.Process) bool { return !p.Alive() }), p)
}

// KeptBy notes that somebody has given up to stop it. others says that it is being stopped nevertheless.
func (r *Record) KeptBy(p sys.Process) (others bool) {
	r.Stoppers = slices.DeleteFunc(slices.Clone(r.Stoppers), func(s sys.Process) bool { return s == p || !s.Alive() })
	return len(r.Stoppers) > 0
}

// unborn says of an observed record that whoever was making the container has not started it, and nobody will who is dead.
func (r *Record) unborn() bool { return r.Intent == Bearing && r.Status == Created }

// begun looks whether a start that nobody confirmed has succeeded: the monitor has told so in the run directory then, in a
// file that the next life replaces.
func (r *Record) begun() {
	if !r.begunHere() {
		r.Status, r.StartedAt = Running, r.FinishedAt // nobody knows whether it did
		return
	}
	life, err := monitor.ReadLife(r.RunDir)
	var then Record
	if err != nil || then.UnmarshalJSON(life.Record) != nil {
		return
	}
	// It began after the same end as this start. Whether it began later than that, no clock can say that may be set.
	if then.FinishedAt.Equal(r.FinishedAt) {
		then.layer = r.layer
		*r = then
		r.begin(life.Pids, life.Began)
		r.Network.Ports = life.Ports
	}
}

// begunHere says that the processes of the last start would be seen here: it was in this boot of this machine, and in this PID namespace.
func (r *Record) begunHere() bool {
	boot, pids, err := sys.Here()
	return err != nil || r.Boot == "" || r.Boot == boot && (r.PIDs == 0 || r.PIDs == pids)
}

// livesElsewhere says of a container whose monitor is not among the processes here whether it is among others. Such a monitor has the layer locked, and
// the file system tells all who use it, as far as it does so with locks.
func (r *Record) livesElsewhere() bool {
	if r.layer == "" || r.begunHere() {
		return false
	}
	held, err := sys.LockHeld(r.layer)
	return held || err != nil && !errors.Is(err, os.ErrNotExist) // what is done for the dead cannot be undone
}

// Reach says whether an observed container's processes, if there are any, can be reached from here: ErrUnavailable if not.
func (c *Container) Reach() error {
	if !c.State.Elsewhere {
		return nil
	}
	where := "on " + c.State.Host + ", which has the same store"
	if host, err := sys.Hostname(); err == nil && host == c.State.Host {
		where = "in another PID namespace, a container or a sandbox, where its processes are not seen from here"
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "container %s runs %s: do that there", c.Spec.Name, where)
}

// exitLost is the status of a container that nobody saw end: killed, as a shell counts it.
const exitLost = 137

// lost is for a record whose processes are gone.
func (r *Record) lost() {
	r.Status = Exited
	if r.FinishedAt.After(r.StartedAt) {
		return // the end of its last life was recorded
	}
	// The monitor may have told the end, and not lived, or had no room, to write it down.
	if exit, err := monitor.ReadExit(r.RunDir); err == nil && exit.Time.After(r.StartedAt) {
		r.ended(exit)
		return
	}
	r.ExitCode = exitLost
	r.Error = "its monitor was killed, or the machine was restarted"
}

// now is the time without its monotonic part, as it is read back from a file.
func now() time.Time { return time.Now().Round(0) }
