package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/mosscontainers/moss/pkg/build/seen"
)

// magic changes with the form of records.
const magic = "moss answer 2\n"

// record is an answer and what it depends on. Its form is one that takes no time to read: strings and numbers one after another, each
// string with its length before it, and a sum over all.
type record struct {
	Answer
	seen.Inputs
}

func (r *record) encode() []byte {
	w := writer(magic)
	w.text(r.ID)
	w.text(r.IDFile)
	w.text(string(r.Shown))
	w.number(uint64(len(r.Files)))
	for _, f := range r.Files {
		w.text(f.Path)
		for _, n := range []uint64{f.Stamp.Dev, f.Stamp.Ino, f.Stamp.Size, f.Stamp.Mtime, f.Stamp.Ctime} {
			w.number(n)
		}
	}
	w.number(uint64(len(r.Images)))
	for _, img := range r.Images {
		w.text(img.Name)
		w.text(img.ID)
		w.text(img.Digest)
	}
	w.number(uint64(len(r.Steps)))
	for _, s := range r.Steps {
		w.text(s.File)
		w.text(string(s.Sum[:]))
	}
	w.texts(r.Layers)
	sum := sha256.Sum256(w)
	return append(w, sum[:]...)
}

// decode reads what encode made, and nothing else.
func (r *record) decode(data []byte) bool {
	n := len(data) - sha256.Size
	if n < len(magic) || !strings.HasPrefix(string(data[:len(magic)]), magic) || sha256.Sum256(data[:n]) != [sha256.Size]byte(data[n:]) {
		return false
	}
	d := reader(data[len(magic):n])
	r.ID, r.IDFile, r.Shown = d.text(), d.text(), []byte(d.text())
	r.Files = make([]seen.File, d.number())
	for i := range r.Files {
		r.Files[i] = seen.File{Path: d.text(), Stamp: d.stamp()}
	}
	r.Images = make([]seen.Image, d.number())
	for i := range r.Images {
		r.Images[i] = seen.Image{Name: d.text(), ID: d.text(), Digest: d.text()}
	}
	r.Steps = make([]seen.Step, d.number())
	for i := range r.Steps {
		r.Steps[i] = seen.Step{File: d.text(), Sum: [sha256.Size]byte([]byte(d.text()))}
	}
	r.Layers = d.texts()
	return true
}

type writer []byte

func (w *writer) number(n uint64) { *w = binary.AppendUvarint(*w, n) }

func (w *writer) text(s string) {
	w.number(uint64(len(s)))
	*w = append(*w, s...)
}

func (w *writer) texts(list []string) {
	w.number(uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

// reader reads what a sum has vouched for.
type reader []byte

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(*r)
	*r = (*r)[size:]
	return n
}

func (r *reader) stamp() seen.Stamp {
	return seen.Stamp{Dev: r.number(), Ino: r.number(), Size: r.number(), Mtime: r.number(), Ctime: r.number()}
}

func (r *reader) text() string {
	n := r.number()
	s := string((*r)[:n])
	*r = (*r)[n:]
	return s
}

func (r *reader) texts() []string {
	list := make([]string, r.number())
	for i := range list {
		list[i] = r.text()
	}
	return list
}
