package libpod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/pkg/sys"
)

// program is a program of ours in a sealed memory file, which nothing in a container can overwrite.
type program struct {
	file *os.File
	name string // of the memory file
	// made says that this command made the file; else it is somebody's who runs.
	made bool
}

// path is a path by which any process of the user's reaches the program while this process has it open.
func (p program) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.file.Fd()) }

// Close is nothing for the zero program.
func (p program) Close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

// monitorProgram is the monitor, which is also the stages of containers: the file that the namespace's holder keeps, or
// that of a running monitor, or a new one.
func (e *Engine) monitorProgram() (program, error) {
	if f, ok := e.NS.MonitorProgram(); ok {
		return program{file: f}, nil
	}
	facts, err := e.Facts()
	if err != nil {
		return program{}, err
	}
	if !facts.UserNamespace {
		return e.program("moss-root-"+embedded.MonitorID, embedded.RootMonitor)
	}
	return e.program("moss-monitor-"+embedded.MonitorID, embedded.Monitor)
}

func (e *Engine) program(name string, content func() ([]byte, error)) (program, error) {
	if f, ok := e.runningProgram(name); ok {
		return program{file: f, name: name}, nil
	}
	data, err := content()
	if err != nil {
		return program{}, err
	}
	f, err := sys.SealedProgram(name, data)
	return program{file: f, name: name, made: true}, err
}

// runningProgram is the program of the process that was recorded to run it, if that lives: all who run the same file
// share its pages.
func (e *Engine) runningProgram(name string) (*os.File, bool) {
	record := e.programRecord(name)
	pid, ok := sys.ReadProcess(record)
	if !ok {
		return nil, false
	}
	path, ok := sys.ProgramOf(pid, name)
	if !ok {
		return nil, false
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if _, lives := sys.ReadProcess(record); !lives {
		f.Close()
		return nil, false
	}
	return f, true
}

// share records that the process pid runs a program which this command made.
func (e *Engine) share(p program, pid int) error {
	if !p.made {
		return nil
	}
	if _, err := sys.Identify(pid); err != nil {
		return nil // it has ended: whoever waits for it tells
	}
	err := errors.Join(os.MkdirAll(e.NS.Dir, 0o700), sys.WriteProcess(e.programRecord(p.name), pid))
	if err != nil {
		return fmt.Errorf("cannot record who runs the monitor program: %w", err)
	}
	forgetPrograms(e.NS.Dir)
	return nil
}

// forgetPrograms removes the records of those who are dead: other versions of moss, and programs of other ids, nobody would look for any more.
func forgetPrograms(dir string) {
	records, _ := filepath.Glob(filepath.Join(dir, "moss-*"))
	for _, record := range records {
		if filepath.Ext(record) != "" { // it is just being written
			continue
		}
		if _, lives := sys.ReadProcess(record); !lives {
			_ = os.Remove(record) // it is in nobody's way
		}
	}
}

func (e *Engine) programRecord(name string) string { return filepath.Join(e.NS.Dir, name) }
