// Package runtime starts containers from OCI configurations. Launchers come in two kinds behind one
// interface: our own, which clones the container's first process directly, and an OCI runtime binary
// such as runc or crun.
package runtime

import (
	"context"
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Bundle is everything that a launcher needs to know of one container.
type Bundle struct {
	ID string `json:"id"`
	// Spec is the OCI configuration. Its Root.Path is the root file system when Overlay is nil.
	// A namespace with a path is joined; the user namespace is never in it: the launcher runs as
	// root in the user's namespace already.
	Spec *specs.Spec `json:"spec"`
	// Overlay is mounted by the container's first process in the container's own mount namespace, and
	// so goes away with it.
	Overlay *Overlay `json:"overlay,omitempty"`
	// CopyUp are volumes to fill from the image before they are mounted, where they are still empty.
	CopyUp []CopyUp `json:"copyUp,omitempty"`
	// Chown are the targets of mounts whose files are given to the process's user. OCI runtimes do not do that.
	Chown []string `json:"chown,omitempty"`
	// Subpaths are parts of the sources of binds, by the mounts' targets, that are mounted instead of all: nobody in the source leads them out of
	// it by a link. OCI runtimes do not do that.
	Subpaths map[string]string `json:"subpaths,omitempty"`
	// Seccomp is the path of the compiled filter: an array of struct sock_filter. "" is no filter.
	Seccomp string `json:"seccomp,omitempty"`
	// User, when not "", is resolved against the rootfs's /etc/passwd and /etc/group (bounded reads inside
	// the root) when the container starts, and fills Spec.Process.User; Groups likewise.
	User   string   `json:"user,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// Init runs our own init as PID 1: it forwards signals and reaps.
	Init bool `json:"init,omitempty"`
	// RunDir is a directory of the container on a tmpfs, for what a launcher must keep.
	RunDir string `json:"runDir"`
}

// Encoded is a Bundle as JSON. It is made once and travels as it is, through the monitor to the stage, which alone reads
// all of it: reading a whole OCI configuration takes a process longer than to start.
type Encoded []byte

// Overlay is a root file system made of image layers and one writable layer.
type Overlay struct {
	Home      string   `json:"home"`  // directory that Lower is relative to
	Lower     []string `json:"lower"` // topmost first, short: l/ABCDEF…
	Upper     string   `json:"upper"` // absolute
	Work      string   `json:"work"`  // absolute
	UserXattr bool     `json:"userXattr,omitempty"`
	Volatile  bool     `json:"volatile,omitempty"` // never fsync: for --rm containers
	ReadOnly  bool     `json:"readOnly,omitempty"`
}

// CopyUp fills an empty volume with what the image has at its target.
type CopyUp struct {
	Volume  string `json:"volume"`  // absolute directory of the host
	Filling string `json:"filling"` // absolute path of a file that is there, and locked, while somebody does that; no container can reach it
	Target  string `json:"target"`  // absolute path in the container
}

// Stdio is what the container's process reads and writes. With a terminal the launcher makes it, and
// the three are nil.
type Stdio struct {
	Stdin, Stdout, Stderr *os.File
	// More are descriptors from 3 on.
	More []*os.File
}

// Launcher makes containers.
type Launcher interface {
	// Create begins to set the container up; Process.Ready waits for that. netns, when not nil, is the network namespace to
	// join. io may be closed as soon as it returns.
	Create(ctx context.Context, b Encoded, io Stdio, netns *os.File) (Process, error)
}

// Process is a container's first process.
type Process interface {
	// Pid is its process id in the namespace of the caller.
	Pid() int
	// Ready waits until the container is set up to the point where its command could be executed. After an error nothing is
	// left of it.
	Ready(ctx context.Context) error
	// Console is the master side of the terminal, nil without one. It is known when the container is ready.
	Console() *os.File
	// Start executes the command and returns once execve has succeeded. Errors are errdefs.ErrNoCommand,
	// errdefs.ErrNotExecutable, or others for what failed before.
	Start() error
	// Wait returns the status as a shell counts it: 0…255, or 128 + the signal. Once the first
	// process is gone everything else in the container is killed and reaped too.
	Wait() (int, error)
	// Delete removes what the launcher keeps of a container that has ended.
	Delete() error
}
