package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Recorder is the container's record as the monitor uses it; the state package implements it. The
// monitor calls it, but for Lasts, from one goroutine.
type Recorder interface {
	// Hold makes known, until what it returns is closed, that the container has a monitor, to those who do not see its process. Nobody else can have it: a
	// layer is mounted but once.
	Hold() (*os.File, error)
	// Began records that the first life runs, as the run directory tells already. The monitor holds the record's lock for
	// whoever called Spawn.
	Began() error
	// Lasts records that a container with --rm runs, of which Began does not. It may be called while the container ends.
	Lasts() error
	// Running records that the restart policy began another life after the one that ended with last. ErrConflict says that somebody
	// asked for the container to end meanwhile.
	Running(pids Pids, last Exit) error
	// Exited records durably (but for volatile containers) how a life ended. It is called once per life, and with again false once more when
	// no other follows, after everything the container wrote is in its log and before anybody attached learns the exit
	// code. stop says that somebody asked for the container to end, so that it must not start again;
	// again says that the restart policy would start it after a pause, unless stop.
	Exited(exit Exit, again bool) (stop bool, err error)
	// StopRequested says whether somebody asked for the container to end, while it waits to start again.
	StopRequested() (bool, error)
	// Remove removes a container with --rm, after its exit code is out.
	Remove() error
	// Forget removes what there is of a container that is half made, or was to run and vanish as soon as it was made, and never did, unless another process
	// has it locked.
	Forget() error
}

// Exit says how a life of a container ended.
//
//easyjson:json
type Exit struct {
	Code int       `json:"code"`
	Time time.Time `json:"time"`
	OOM  bool      `json:"oom,omitempty"` // the kernel killed a process of it for memory
	// Error says why a life could not begin; Code is then 125, 126 or 127.
	Error string `json:"error,omitempty"`
	// Restarts counts the lives before, but the first.
	Restarts int `json:"restarts,omitempty"`
}

// ReadExit reads how the container with this run directory ended; os.ErrNotExist while it runs, and
// when its monitor was killed.
func ReadExit(runDir string) (Exit, error) {
	var e Exit
	err := readJSON(runDir, "exit", &e)
	return e, err
}

// Life is what a monitor leaves in the run directory while the container lives.
//
//easyjson:json
type Life struct {
	Pids
	Began time.Time `json:"began"`
	// Ports are the published ports with the host ports that were bound.
	Ports []spec.PortMapping `json:"ports,omitempty"`
	// Record is Request.Record.
	Record json.RawMessage `json:"record,omitempty"`
}

// ReadLife reads the container's present or last life; os.ErrNotExist before there was one.
func ReadLife(runDir string) (Life, error) {
	var l Life
	err := readJSON(runDir, lifeFile, &l)
	return l, err
}

const lifeFile = "life"

func readJSON(dir, name string, v json.Unmarshaler) error {
	path := filepath.Join(dir, name)
	data, err := sys.ReadSmall(path)
	if err != nil {
		return err
	}
	if err := v.UnmarshalJSON(data); err != nil {
		return fmt.Errorf("cannot understand %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file in one step. It is not synced: the directory is a tmpfs.
func writeJSON(dir, name string, v json.Marshaler) error {
	data, err := v.MarshalJSON()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("cannot tell what the container is: %w", err)
	}
	return os.Rename(path+".new", path)
}

// remove unlinks a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
