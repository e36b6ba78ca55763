package state

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mosscontainers/moss/pkg/record"
)

// check says what files that could be parsed cannot mean: a disk's mistakes, and editors', or what only a newer moss understands. (The monitor of a
// container whose description has become such a one knows nothing of that, and goes on.)
func (c *Container) check(id string) error {
	if err := record.Check(max(c.Spec.Format, c.State.Format)); err != nil {
		return err
	}
	if c.Spec.ID != id || c.Spec.Name == "" {
		return fmt.Errorf("%s does not describe it", specFile)
	}
	if !c.State.Status.known() {
		return fmt.Errorf("%s has the status %q, which there is not", stateFile, c.State.Status)
	}
	return nil
}

// passing says that an error tells nothing of a file, only that this process, or the machine, has not enough of something just now.
func passing(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
