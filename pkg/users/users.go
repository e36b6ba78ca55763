// Package users reads an image's /etc/passwd and /etc/group, which are as hostile as the rest of it.
package users

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strconv"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// maxSize bounds what is read of a file, in bytes.
const maxSize = 4 << 20

// ReadFile reads such a file of the image below root, and leaves out lines whose ids (the fields before last) are not
// plain numbers. A file that is missing is empty; one that is no regular file is refused before it is opened, so that
// a FIFO cannot hold us and a device is not touched.
func ReadFile(root *os.File, name string, fields int) ([]byte, error) {
	b, err := sys.ReadRegular(root, name, maxSize)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot look up users: cannot read /%s of the image: %w", name, err)
	}
	var out []byte
	for line := range bytes.Lines(b) {
		if goodLine(line, fields) {
			out = append(out, line...)
		}
	}
	return out, nil
}

func goodLine(line []byte, fields int) bool {
	parts := bytes.Split(bytes.TrimSpace(line), []byte(":"))
	if len(parts) < fields || len(parts[0]) == 0 {
		return false
	}
	for _, id := range parts[2:fields] {
		if n, err := strconv.ParseUint(string(id), 10, 32); err != nil || n >= math.MaxUint32 {
			return false
		}
	}
	return true
}
