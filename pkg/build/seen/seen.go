// Package seen collects what a build depends on while it goes on: files with their states, images, remembered steps. It knows none of them by
// more than its name.
package seen

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxFiles are collected: to compare more would take longer than is worth it.
const maxFiles = 1 << 16

// Inputs are what a build depended on.
type Inputs struct {
	Files  []File
	Images []Image
	Steps  []Step
	Layers []string // that have to be in the store
}

// File is a file or a directory that was read. A directory's state is that of the list of names in it.
type File struct {
	Path  string
	Stamp Stamp
}

// Image is which image a name meant, "" for none. Digest is that of its manifest, "" where that does not matter.
type Image struct{ Name, ID, Digest string }

// Step is a remembered step that was used: its file below the directory of what is remembered, and the sum of that.
type Step struct {
	File string
	Sum  [sha256.Size]byte
}

// Notes are for several goroutines; nil ones keep nothing.
type Notes struct {
	mu     sync.Mutex
	doubt  bool
	inputs Inputs
	files  map[string]Stamp
}

// Doubt says that the build depends on something that cannot be compared later, or that it did something.
func (n *Notes) Doubt() {
	n.note(func() { n.doubt = true })
}

// File says that a file or a directory was read, and what it was like before that.
func (n *Notes) File(path string, st *syscall.Stat_t) {
	n.note(func() {
		stamp := StampOf(st)
		before, again := n.files[path]
		if again && before != stamp || len(n.files) == maxFiles {
			n.doubt = true
			return
		}
		if n.files == nil {
			n.files = map[string]Stamp{}
		}
		n.files[path] = stamp
	})
}

// Image says which image a name meant.
func (n *Notes) Image(name, id string) {
	n.note(func() {
		n.doubt = n.doubt || id == "" && strings.Contains(name, "@") // it would be found by more than its name
		n.inputs.Images = append(n.inputs.Images, Image{Name: name, ID: id})
	})
}

// Step says which remembered step was used: its file, what is in that, and the topmost layer.
func (n *Notes) Step(file string, data []byte, layer string) {
	n.note(func() {
		n.inputs.Steps = append(n.inputs.Steps, Step{file, sha256.Sum256(data)})
		n.inputs.Layers = append(n.inputs.Layers, layer)
	})
}

func (n *Notes) note(do func()) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	do()
}

// Inputs are all that the build depended on; not ok where it is not sure that a change of any would be seen. began is when the build did.
func (n *Notes) Inputs(began time.Time) (in Inputs, ok bool) {
	n.note(func() {
		in, ok = n.inputs, !n.doubt
		for path, stamp := range n.files {
			ok = ok && stamp.Settled(began)
			in.Files = append(in.Files, File{path, stamp})
		}
	})
	slices.SortFunc(in.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(in.Layers)
	in.Layers = slices.Compact(in.Layers)
	return in, ok
}
