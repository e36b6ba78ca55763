package store

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

// Files for which there is no room are named, and not begun.
func TestFillHolesNeedsRoom(t *testing.T) {
	var archive, full bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"first", "second"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 4}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "data"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := fillHoles(&full, bytes.NewReader(archive.Bytes()), 8); err != nil || !bytes.Equal(full.Bytes(), archive.Bytes()) {
		t.Errorf("with just enough room: %v, or another archive", err)
	}
	err := fillHoles(io.Discard, bytes.NewReader(archive.Bytes()), 7)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), `"second"`) {
		t.Errorf("with too little room: %v", err)
	}
}
