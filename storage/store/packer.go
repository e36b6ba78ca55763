package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	splitstorage "github.com/vbatts/tar-split/tar/storage"
)

// packer writes a tar-split as the library's own does, which remembers the names of all entries: a layer of some megabytes may have gigabytes of
// them. This one remembers what a sum of each needs.
type packer struct {
	out  *json.Encoder
	next int
	seen map[[16]byte]struct{}
	held int
}

// What an entry is held to take of memory until the layer is unpacked, in bytes: of directories whoever unpacks keeps the headers, to set their
// times at the end. maxHeld is more than 20 million files, and 2 million directories.
const (
	entryHeld     = 48
	directoryHeld = 500
	maxHeld       = 1 << 30
)

func newPacker(w io.Writer) *packer {
	return &packer{out: json.NewEncoder(w), seen: map[[16]byte]struct{}{}}
}

// AddEntry is called for each file, with its name set, and for what is between files.
func (p *packer) AddEntry(e splitstorage.Entry) (int, error) {
	if e.Type == splitstorage.FileType {
		if err := p.see(e.GetName()); err != nil {
			return -1, fmt.Errorf("the entry %.200q: %w", e.GetName(), err)
		}
	}
	e.Position = p.next
	p.next++
	return e.Position, p.out.Encode(e)
}

func (p *packer) see(name string) error {
	sum := sha256.Sum256([]byte(path.Clean(name)))
	key := [16]byte(sum[:])
	if _, again := p.seen[key]; again {
		return splitstorage.ErrDuplicatePath
	}
	p.seen[key] = struct{}{}
	if p.held += entryHeld; strings.HasSuffix(name, "/") {
		p.held += directoryHeld + len(name)
	}
	if p.held > maxHeld {
		return fmt.Errorf("it is one too many: the layer has %d before it, which take more than %d MiB of memory", len(p.seen)-1, maxHeld>>20)
	}
	return nil
}
