package store

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// Whoever unpacks gets what was read, in the same memory, and all of that is there for the next tar, however soon reading ended.
func TestPiecesOfATarComeBack(t *testing.T) {
	data := make([]byte, 3*pieces*pieceSize+7)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	memory := newRing()
	for _, ahead := range []bool{false, true} {
		for _, last := range []int{0, 1, pieces + 1, 1000} {
			r := newRelay(memory, bytes.NewReader(data), ahead)
			u := &unpacker{ring: memory, tar: make(chan []byte, pieces), ended: make(chan error, 1)}
			r.to = u
			var unpacked []byte
			go func() {
				var err error
				unpacked, err = io.ReadAll(u)
				u.ended <- err
			}()
			var read []byte
			for i := 0; i < last && r.end == nil; i++ {
				read = append(read, r.next().piece...)
			}
			r.pass()
			if err := u.finish(nil); err != nil {
				t.Fatal(err)
			}
			r.close()
			if !bytes.Equal(read, unpacked) || !bytes.HasPrefix(data, read) || last == 1000 && len(read) != len(data) {
				t.Errorf("ahead: %t, %d pieces: %d bytes read, %d unpacked of %d", ahead, last, len(read), len(unpacked), len(data))
			}
			if len(memory.free) != memory.made || memory.made > pieces {
				t.Errorf("ahead: %t, %d pieces: %d of %d came back", ahead, last, len(memory.free), memory.made)
			}
		}
	}
}
