package state

import "fmt"

// check says what files that could be parsed cannot mean: a disk's mistakes, and editors'.
func (c *Container) check(id string) error {
	if c.Spec.ID != id || c.Spec.Name == "" {
		return fmt.Errorf("%s does not describe it", specFile)
	}
	if !c.State.Status.known() {
		return fmt.Errorf("%s has the status %q, which there is not", stateFile, c.State.Status)
	}
	return nil
}
