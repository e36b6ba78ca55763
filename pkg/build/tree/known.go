package tree

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/build/seen"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	knownMagic = "moss contents 1\n"
	maxKnown   = 1 << 20 // files that are remembered of one tree
	maxTrees   = 64      // trees that are remembered
)

// Known remembers what files contain by their state, in one file for each tree: what is unchanged is not read again.
type Known struct {
	path    string
	mu      sync.Mutex
	before  map[seen.Stamp]content // as the file has it
	now     map[seen.Stamp]content // what was asked for this time
	changed bool
}

// OpenKnown opens what is remembered in the directory dir of the tree at root. A file that is missing or damaged is empty: everything is read again.
func OpenKnown(dir, root string) *Known {
	name := sha256.Sum256([]byte(root))
	k := &Known{path: filepath.Join(dir, hex.EncodeToString(name[:16])), now: map[seen.Stamp]content{}}
	if err := k.load(); err != nil {
		k.before = nil
	}
	return k
}

// recordSize is that of a stamp and a content, in bytes.
const recordSize = 5*8 + sha256.Size

func (k *Known) load() error {
	b, err := os.ReadFile(k.path)
	if err != nil {
		return err
	}
	text, ok := strings.CutPrefix(string(b), knownMagic)
	sum := sha256.Size
	if !ok || len(text) < sum || (len(text)-sum)%recordSize != 0 {
		return errors.New("damaged")
	}
	records := b[len(knownMagic) : len(b)-sum]
	if got := sha256.Sum256(records); string(got[:]) != text[len(text)-sum:] {
		return errors.New("damaged")
	}
	k.before = make(map[seen.Stamp]content, len(records)/recordSize)
	for r := range slices.Chunk(records, recordSize) {
		at := func(i int) uint64 { return binary.LittleEndian.Uint64(r[i*8:]) }
		k.before[seen.Stamp{Dev: at(0), Ino: at(1), Size: at(2), Mtime: at(3), Ctime: at(4)}] = content(r[40:])
	}
	return nil
}

// find tells a file's content, if it is known.
func (k *Known) find(st *syscall.Stat_t, c *content) bool {
	if k == nil {
		return false
	}
	s := seen.StampOf(st)
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := k.now[s]
	if !ok {
		if found, ok = k.before[s]; ok {
			k.now[s] = found
		}
	}
	*c = found
	return ok
}

// add remembers a file's content, unless it may just be changing. st is what the file was like before it was read.
func (k *Known) add(st *syscall.Stat_t, c content) {
	if k == nil || !seen.StampOf(st).Settled(time.Now()) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.now) < maxKnown {
		k.now[seen.StampOf(st)], k.changed = c, true
	}
}

// Save writes what was asked for since OpenKnown, and forgets the rest, if there is anything new.
func (k *Known) Save() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.changed {
		return nil
	}
	if err := sys.WriteWhole(k.path, k.write); err != nil {
		return fmt.Errorf("cannot remember what files contain: %w", err)
	}
	k.changed = false
	return seen.KeepNewest(filepath.Dir(k.path), maxTrees)
}

func (k *Known) write(f *os.File) error {
	w := bufio.NewWriter(f)
	_, err := w.WriteString(knownMagic)
	sum := sha256.New()
	if err == nil {
		err = k.writeRecords(io.MultiWriter(w, sum))
	}
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	return errors.Join(err, w.Flush())
}

func (k *Known) writeRecords(w io.Writer) error {
	b := make([]byte, 0, recordSize)
	for s, c := range k.now {
		b = b[:0]
		for _, n := range []uint64{s.Dev, s.Ino, s.Size, s.Mtime, s.Ctime} {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		if _, err := w.Write(append(b, c[:]...)); err != nil {
			return err
		}
	}
	return nil
}
