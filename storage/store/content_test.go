package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"path/filepath"
	"testing"
)

// Behind its last entry a tar has zeros. What is cut off there, or at the sum that ends what is compressed, is missed nevertheless.
func TestArchivesThatAreCutBehindTheirEntriesAreRefused(t *testing.T) {
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: "file", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1, 8, 9} {
		err := read(t, bytes.NewReader(packed.Bytes()[:packed.Len()-cut]))
		if (err == nil) != (cut == 0) {
			t.Errorf("%d bytes cut off: %v", cut, err)
		}
	}
}

// read reads a tar for its record.
func read(t *testing.T, stream io.Reader) error {
	s := &Store{}
	in, _, err := s.decompress(stream)
	if err != nil {
		return err
	}
	defer in.Close()
	c, err := s.newContent(in, filepath.Join(t.TempDir(), "split"))
	if err != nil {
		t.Fatal(err)
	}
	scanned := c.scan(nil)
	if err := c.close(s); err != nil {
		t.Fatal(err)
	}
	return scanned
}
