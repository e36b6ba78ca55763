package monitor

import (
	"encoding/json"
	"os"

	"github.com/mosscontainers/moss/libpod/runtime"
)

// Request is all that a monitor is told of its container.
type Request struct {
	ContainerID string `json:"id"`
	RunDir      string `json:"runDir"`   // the container's directory on a tmpfs; exists
	StateDir    string `json:"stateDir"` // the container's record, for the Recorder
	// Bundle is handed on to the launcher: the monitor does not read it.
	Bundle runtime.Encoded `json:"-"`
	// Runtime is the path of an OCI runtime binary; "" is our own launcher.
	Runtime  string `json:"runtime,omitempty"`
	Terminal bool   `json:"terminal,omitempty"`
	// OpenStdin keeps the process's input open for whoever attaches; else it is /dev/null. StdinOnce
	// closes it at the end of input, or the death, of the first who wrote to it.
	OpenStdin bool    `json:"openStdin,omitempty"`
	StdinOnce bool    `json:"stdinOnce,omitempty"`
	Log       Log     `json:"log"`
	Restart   Restart `json:"restart"`
	Remove    bool    `json:"remove,omitempty"` // --rm
	// Trees are directories that go away with a container with Remove, for the Recorder.
	Trees []string `json:"trees,omitempty"`
	// Volumes are the names of those that go too, unless others use them, for the Recorder.
	Volumes []string `json:"volumes,omitempty"`
	// DozeAfter is for how long nothing must have happened before the monitor gives up its memory, in ms; 0 is never.
	DozeAfter int64 `json:"dozeAfter,omitempty"`
	// Notify is the socket of a service manager that the container may tell how it is; "" is none. The container's is notify in RunDir.
	Notify string `json:"notify,omitempty"`
	// PIDFile and MonitorPIDFile are written before each start; "" is none.
	PIDFile        string `json:"pidFile,omitempty"`
	MonitorPIDFile string `json:"monitorPIDFile,omitempty"`
	// Wiring comes later, by Connect.
	Wiring Wiring `json:"-"`
}

// Wiring is what a monitor is told once the container is connected: until then it is set up, but not started.
//
//easyjson:json
type Wiring struct {
	// Cleanup are files to unlink once the container has ended for good.
	Cleanup []string `json:"cleanup,omitempty"`
	// Record is what the container's record is going to be, for those who read Life: the monitor does not understand it.
	Record json.RawMessage `json:"record,omitempty"`
	// Ports is for the Ports hook, which binds them before the process starts: published.Ports. Nil has none.
	Ports json.RawMessage `json:"ports,omitempty"`
	// Care is about what the container's network needs; nil needs nothing.
	Care *Care `json:"care,omitempty"`
}

// Log says where output goes.
type Log struct {
	Driver  string `json:"driver"`            // LogK8sFile or LogNone
	Path    string `json:"path,omitempty"`    // of k8s-file
	MaxSize int64  `json:"maxSize,omitempty"` // bytes before it becomes PATH.1; 0 is no limit
	// MaxFiles is how many files there are then; 0 is two.
	MaxFiles int `json:"maxFiles,omitempty"`
}

// The log drivers.
const (
	LogK8sFile = "k8s-file"
	LogNone    = "none"
)

// Restart says when a container that ended starts again, as for docker run --restart.
type Restart struct {
	Policy  string `json:"policy,omitempty"`  // one of the constants below; "" is RestartNo
	Retries int    `json:"retries,omitempty"` // of RestartOnFailure; 0 is no limit
}

// The restart policies.
const (
	RestartNo            = "no"
	RestartOnFailure     = "on-failure"
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
)

// Passed are the descriptors that come with a request. The caller keeps and closes its own.
type Passed struct {
	// Attach, when not nil, is the monitor's end of a socket pair: a client from the first byte on.
	Attach *os.File
	// RecordLock is the lock of the container's record, which the caller holds. It is held until the container runs and
	// its Life says so: if the caller is killed meanwhile, nobody takes the container for one that does not run.
	RecordLock *os.File
	// NetNS is the container's network namespace, nil when the bundle says all.
	NetNS *os.File
	// More are descriptors for the container's process, from 3 on.
	More []*os.File
}

// envelope is what travels: the request and which descriptors come with it. In the memory file its length comes before it,
// four bytes, little endian, and the bundle after it.
//
//easyjson:json
type envelope struct {
	Request *Request `json:"request"`
	// What follows is described at Passed.
	Attach     bool `json:"attach,omitempty"`
	RecordLock bool `json:"recordLock,omitempty"`
	NetNS      bool `json:"netns,omitempty"`
}

// The monitor's descriptors; rootless/nsenter, which starts some monitors, has them too.
const (
	fdControl   = 3 + iota // stream socket to whoever started the monitor: wire.go
	fdUsersLock            // only held: as long as it is open the user namespace is kept
	fdFirstFree
)
