// Package errdefs holds the kinds of failure that Moss tells apart, and what each means to the
// shell (exit code) and to an API client (HTTP status). The table below is the only place that
// relates them.
package errdefs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Sentinels. Wrap one with %w where a caller may act on the kind of an error.
var (
	ErrNotFound      = errors.New("not found")             // a container, image, volume, … does not exist
	ErrConflict      = errors.New("conflict")              // the name is in use, or the state does not allow it
	ErrInvalid       = errors.New("invalid argument")      // the caller asked for something that cannot be
	ErrUnfit         = errors.New("not in the container")  // the container has not what was asked for, such as a user
	ErrDenied        = errors.New("permission denied")     // this user may not
	ErrUnavailable   = errors.New("unavailable")           // something on this host is missing
	ErrNoSpace       = errors.New("no space")              // a disk or a quota is full
	ErrNotExecutable = errors.New("command cannot be run") // found, but exec refused it
	ErrNoCommand     = errors.New("command not found")     // the container has no such program
	ErrDamaged       = errors.New("damaged state")         // a file of ours cannot be understood
	ErrNewer         = errors.New("newer format")          // a file of ours is understood by a newer moss only
)

// Exit codes that are the engine's own (Podman's and Docker's): see podman-run(1), "Exit Status".
const (
	ExitEngine        = 125 // the engine itself failed
	ExitNotExecutable = 126 // the command cannot be invoked
	ExitNoCommand     = 127 // the command cannot be found
)

// Command is a kind of Moss command by the exit codes that it has.
type Command int

// The kinds of commands: rm and rmi (podman-rm(1) and podman-rmi(1), "Exit Status"), exec and start, which end as Podman's do, and all others.
const (
	Other Command = iota
	Removal
	Exec
	Start
)

// exitNoSession is how exec ends in a container that does not run, or that does not have the user: a command's own 125 or 126 is not to be taken for that.
const exitNoSession = 255

// codes has an exit code for each kind of command; 0 is ExitEngine.
type codes [Start + 1]int

// kinds relates each sentinel to its HTTP status (plain numbers: net/http would double the monitor) and to
// its exit codes.
var kinds = []struct {
	err    error
	status int
	codes  codes
}{
	{ErrNoCommand, 404, codes{Other: ExitNoCommand, Removal: ExitNoCommand, Exec: ExitNoCommand}},
	{ErrNotExecutable, 400, codes{Other: ExitNotExecutable, Removal: ExitNotExecutable, Exec: ExitNotExecutable}},
	{ErrNotFound, 404, codes{Removal: 1}},
	{ErrConflict, 409, codes{Removal: 2, Exec: exitNoSession}},
	{ErrUnfit, 400, codes{Exec: exitNoSession}},
	{ErrInvalid, 400, codes{}},
	{ErrDenied, 403, codes{}},
	{ErrUnavailable, 503, codes{}},
	{ErrNoSpace, 507, codes{}},
	{ErrDamaged, 500, codes{}},
	{ErrNewer, 501, codes{}},
}

// ExitError carries the exit code of a command that ran in a container. It is not a failure of ours
// and prints nothing.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// ExitCode is the exit code of a Moss command that ended with err.
func ExitCode(err error, of Command) int {
	if err == nil {
		return 0
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return cmp.Or(k.codes[of], ExitEngine)
		}
	}
	return ExitEngine
}

// HTTPStatus is the status an API handler answers when it ended with err.
func HTTPStatus(err error) int {
	if err == nil {
		return 200
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.status
		}
	}
	return 500
}

// Explained says whether an error is of a kind: others are the system's, and may have any reason.
func Explained(err error) bool {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return true
		}
	}
	return false
}

// Errorf is fmt.Errorf with a kind: the text is format's alone, and errors.Is finds kind as well as
// anything wrapped with %w.
func Errorf(kind error, format string, args ...any) error {
	return &kinded{kind: kind, err: fmt.Errorf(format, args...)}
}

// ofDevice says that it was a device that took no more, /dev/full, and no disk.
func ofDevice(err error) bool {
	var path *os.PathError
	if !errors.As(err, &path) {
		return false
	}
	info, err := os.Stat(path.Path)
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type kinded struct{ kind, err error }

func (e *kinded) Error() string   { return e.err.Error() }
func (e *kinded) Unwrap() []error { return []error{e.kind, e.err} }

// NoSpace gives an error that comes from a full disk or quota its kind, and says what to do; others are
// returned as they are.
func NoSpace(err error) error {
	if errors.Is(err, ErrNoSpace) {
		return err // it says so already
	}
	if (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && !ofDevice(err) {
		return Errorf(ErrNoSpace, "%w; free some space, for example with moss system prune", err)
	}
	return err
}
