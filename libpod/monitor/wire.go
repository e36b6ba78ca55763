package monitor

import (
	"errors"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// The control socket carries to the monitor, if anything is known before, wordFresh with what is for Hooks.Prepare, four
// bytes, little endian; wordMaking with the outline of the request, four bytes of length, little endian, before it; wordFiles with the descriptors of Send, the request's memory file first; and wordWiring with those of Connect, the
// memory file of the wiring first. Closing it before the container runs gives it up. Back comes one reply, as JSON.
const (
	wordFresh  = 'n'
	wordMaking = 'm'
	wordFiles  = 'f'
	wordWiring = 'w'
)

// Pids name the processes of one life of a container.
type Pids struct {
	Monitor   sys.Process `json:"monitor"`
	Container sys.Process `json:"container"`
}

// reply is what the monitor answers: what it did, or an error with its kind.
//
//easyjson:json
type reply struct {
	Pids
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// kinds are the sentinels that keep their identity on the way to another process.
func kinds() []error {
	return []error{
		errdefs.ErrNoCommand, errdefs.ErrNotExecutable, errdefs.ErrNotFound, errdefs.ErrConflict, errdefs.ErrInvalid,
		errdefs.ErrDenied, errdefs.ErrUnavailable, errdefs.ErrNoSpace, errdefs.ErrDamaged,
	}
}

func failed(err error) reply {
	err = errdefs.NoSpace(err) // the number does not get across
	r := reply{Error: err.Error()}
	for _, k := range kinds() {
		if errors.Is(err, k) {
			r.Kind = k.Error()
			break
		}
	}
	return r
}

func (r *reply) err() error {
	if r.Error == "" {
		return nil
	}
	for _, k := range kinds() {
		if r.Kind == k.Error() {
			return errdefs.Errorf(k, "%s", r.Error)
		}
	}
	return errors.New(r.Error)
}
