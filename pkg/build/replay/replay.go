// Package replay answers a build of which nothing has changed since the last one, from a record that the last one left: what it read of
// the user's directories, with the state of each file, the images that it began with and gave, the remembered steps that it used, and what it showed.
//
// A build leaves a record only where every step was remembered, so to build again would do nothing but find that out. The record is found by
// all that a command line means: arguments, working directory, environment, configuration and program. Where anything is not as it was, or
// cannot be compared, there is no answer, and the build takes place. So the package needs no Dockerfile and opens no store: the front program has it.
package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/build/seen"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/storage"
)

// maxRecords are kept in a store.
const maxRecords = 64

// Answer is what a build gave and said.
type Answer struct {
	ID       string // of the image, 64 hexadecimal digits
	Manifest string // its digest, when the build was done; another build may have changed it since
	IDFile   string // where the id is written to, "" where it is not
	Shown    []byte // of progress
}

// Book has the records of a store.
type Book struct {
	Config   *config.Config
	Args     []string // the command line
	Terminal string   // what progress is drawn on: its size; "" is no terminal
}

// Dir is where builds remember what they did.
func Dir(s config.Storage) string { return filepath.Join(s.GraphRoot, "moss", "build") }

// Find is the answer to the command line; nil where it has to be built.
func (b *Book) Find() *Answer {
	data, err := os.ReadFile(b.path())
	if err != nil {
		return nil
	}
	r := &record{}
	if !r.decode(data) || !r.unchanged(b) {
		return nil
	}
	return &r.Answer
}

// Save keeps the answer to the command line, unless it cannot be told what it depends on. names are those of the image; began is when the
// build did. Where it cannot be written, it is not kept: all can be built again.
func (b *Book) Save(a Answer, names []string, notes *seen.Notes, began time.Time) {
	in, ok := notes.Inputs(began)
	if !ok {
		return
	}
	r := &record{Answer: a, Inputs: in}
	for _, name := range append(slices.Clone(names), a.ID) {
		img, err := storage.Resolve(b.Config, name) // which the front program can only repeat
		if err != nil || img.ID != a.ID || current(img) != a.Manifest {
			return
		}
		r.Images = append(r.Images, seen.Image{Name: name, ID: a.ID, Digest: a.Manifest})
	}
	if path := b.path(); sys.WriteWhole(path, sys.Bytes(r.encode())) == nil {
		_ = seen.KeepNewest(filepath.Dir(path), maxRecords)
	}
}

// path names a command line by all that may make a difference to what it means.
func (b *Book) path() string {
	sum := sha256.New()
	cwd, err := os.Getwd()
	program, _ := os.Stat("/proc/self/exe") // nil, and then no other than that of a record without
	fmt.Fprintf(sum, "%q %q %q %v %+v ", b.Terminal, b.Args, cwd, err, *b.Config)
	if program != nil {
		fmt.Fprintf(sum, "%d %v ", program.Size(), program.ModTime())
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "_") && !slices.Contains([]string{"SHLVL", "OLDPWD"}, name) { // a shell's, or our own
			fmt.Fprintf(sum, "%q", variable)
		}
	}
	return filepath.Join(Dir(b.Config.Storage), "answers", hex.EncodeToString(sum.Sum(nil)[:16]))
}

// unchanged says whether all is as it was. The steps are marked as used, as the build would have.
func (r *record) unchanged(b *Book) bool {
	for _, f := range r.Files {
		if now, err := seen.StampAt(f.Path); err != nil || now != f.Stamp {
			return false
		}
	}
	for _, img := range r.Images {
		if !means(b.Config, img) {
			return false
		}
	}
	if _, _, err := storage.LowerDirs(b.Config.Storage, r.Layers...); err != nil {
		return false
	}
	for _, s := range r.Steps {
		if !use(filepath.Join(Dir(b.Config.Storage), s.File), s.Sum) {
			return false
		}
	}
	return true
}

// use says whether a step is remembered as it was, and marks it as used.
func use(path string, sum [sha256.Size]byte) bool {
	data, err := os.ReadFile(path)
	if err != nil || sha256.Sum256(data) != sum {
		return false
	}
	now := time.Now()
	return os.Chtimes(path, now, now) == nil
}

// current is the digest of an image's manifest, "" where it has none.
func current(img *storage.Image) string {
	if len(img.Digests) == 0 {
		return ""
	}
	return img.Digests[0]
}

// means says whether a name means the same image still, or none. Whether there is one of a name that was not there needs no
// library for names: they are compared with those of all images.
func means(cfg *config.Config, img seen.Image) bool {
	if img.ID != "" {
		found, err := storage.Resolve(cfg, img.Name)
		return err == nil && found.ID == img.ID && (img.Digest == "" || current(found) == img.Digest)
	}
	all, err := storage.ListImages(cfg.Storage)
	return err == nil && !slices.ContainsFunc(all, func(s storage.Summary) bool { return slices.Contains(s.Names, img.Name) })
}
