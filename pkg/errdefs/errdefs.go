// Package errdefs holds the kinds of failure that Moss tells apart, and what each means to the
// shell (exit code) and to an API client (HTTP status). The table below is the only place that
// relates them.
package errdefs

import (
	"errors"
	"fmt"
	"syscall"
)

// Sentinels. Wrap one with %w where a caller may act on the kind of an error.
var (
	ErrNotFound      = errors.New("not found")             // a container, image, volume, … does not exist
	ErrConflict      = errors.New("conflict")              // the name is in use, or the state does not allow it
	ErrInvalid       = errors.New("invalid argument")      // the caller asked for something that cannot be
	ErrDenied        = errors.New("permission denied")     // this user may not
	ErrUnavailable   = errors.New("unavailable")           // something on this host is missing
	ErrNoSpace       = errors.New("no space")              // a disk or a quota is full
	ErrNotExecutable = errors.New("command cannot be run") // found, but exec refused it
	ErrNoCommand     = errors.New("command not found")     // the container has no such program
	ErrDamaged       = errors.New("damaged state")         // a file of ours cannot be understood
)

// Exit codes that are the engine's own (Podman's and Docker's): see podman-run(1), "Exit Status".
const (
	ExitEngine        = 125 // the engine itself failed
	ExitNotExecutable = 126 // the command cannot be invoked
	ExitNoCommand     = 127 // the command cannot be found
)

// kinds relates each sentinel to its HTTP status (plain numbers: net/http would double the monitor) and to
// its exit codes: ofRemoval for commands that remove (podman-rm(1) and podman-rmi(1), "Exit Status"), ofOther
// for all others.
var kinds = []struct {
	err                error
	status             int
	ofRemoval, ofOther int
}{
	{ErrNoCommand, 404, ExitNoCommand, ExitNoCommand},
	{ErrNotExecutable, 400, ExitNotExecutable, ExitNotExecutable},
	{ErrNotFound, 404, 1, ExitEngine},
	{ErrConflict, 409, 2, ExitEngine},
	{ErrInvalid, 400, ExitEngine, ExitEngine},
	{ErrDenied, 403, ExitEngine, ExitEngine},
	{ErrUnavailable, 503, ExitEngine, ExitEngine},
	{ErrNoSpace, 507, ExitEngine, ExitEngine},
	{ErrDamaged, 500, ExitEngine, ExitEngine},
}

// ExitError carries the exit code of a command that ran in a container. It is not a failure of ours
// and prints nothing.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// ExitCode is the exit code of a Moss command that ended with err. removes says that the command removes
// containers, images or volumes.
func ExitCode(err error, removes bool) int {
	if err == nil {
		return 0
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			if removes {
				return k.ofRemoval
			}
			return k.ofOther
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

type kinded struct{ kind, err error }

func (e *kinded) Error() string   { return e.err.Error() }
func (e *kinded) Unwrap() []error { return []error{e.kind, e.err} }

// NoSpace gives an error that comes from a full disk or quota its kind, and says what to do; others are
// returned as they are.
func NoSpace(err error) error {
	if errors.Is(err, ErrNoSpace) {
		return err // it says so already
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return Errorf(ErrNoSpace, "%w; free some space, for example with moss system prune", err)
	}
	return err
}
