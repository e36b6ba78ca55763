package store

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
)

// begin writes down which layers are to come, in a file that is there until they are, and returns its name.
func (s *Store) begin(all []addition) (string, error) {
	temp, err := s.TempDir()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(temp, begunPrefix)
	if err != nil {
		return "", err
	}
	for _, a := range all {
		if err == nil {
			_, err = fmt.Fprintln(f, a.record.ID)
		}
	}
	return f.Name(), errors.Join(err, f.Close())
}

// begunPrefix begins the names of the files of begin.
const begunPrefix = "begun-"

// undo removes what a killed process left that had begun to add layers and wrote them down in a file.
func (s *Store) undo(begun string) error {
	data, err := os.ReadFile(begun)
	if err != nil {
		return err
	}
	l, err := s.lockList("layers")
	if err != nil {
		return err
	}
	defer l.unlock()
	there := l.ids()
	var errs []error
	for _, id := range strings.Fields(string(data)) {
		if _, listed := there[id]; !listed && digest.NewDigestFromEncoded(digest.Canonical, id).Validate() == nil {
			errs = append(errs, s.displace(id))
		}
	}
	return errors.Join(errs...)
}
