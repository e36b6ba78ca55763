package store

import (
	"bytes"
	"hash/crc64"
	"math/rand/v2"
	"testing"

	splitstorage "github.com/vbatts/tar-split/tar/storage"
)

func TestChecksumIsThatOfTheLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 64<<10)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	for range 3000 {
		n := random.IntN(len(data))
		if random.IntN(2) == 0 {
			n = random.IntN(8 * block)
		}
		want, got := crc64.New(splitstorage.CRCTable), checksum(0)
		for rest := data[:n]; len(rest) > 0; {
			piece := rest[:1+random.IntN(len(rest))]
			want.Write(piece)
			if written, err := got.Write(piece); written != len(piece) || err != nil {
				t.Fatal(written, err)
			}
			rest = rest[len(piece):]
		}
		if !bytes.Equal(got.sum(), want.Sum(nil)) {
			t.Fatalf("of %d bytes: %x instead of %x", n, got.sum(), want.Sum(nil))
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	data := make([]byte, scanBuffer)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var c checksum
		c.Write(data)
	}
}

func BenchmarkChecksumOfTheLibrary(b *testing.B) {
	data := make([]byte, scanBuffer)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		crc64.New(splitstorage.CRCTable).Write(data)
	}
}
