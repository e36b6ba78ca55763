package main

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// A cargo is an image to move about.
type cargo struct {
	name   string
	what   string
	layers int
	files  int // in a layer, 64 KB each
}

// transfers move a 300 MB image of five gzip layers, and one of sixty small layers. What writes a store gets a new one each time: ext4 is
// slow to make files right after it has removed as many.
func transfers() []row {
	return slices.Concat(
		cargo{"big", "a 300 MB five-layer gzip image", 5, 960}.rows(),
		cargo{"small", "an image of sixty small layers", 60, 4}.rows(),
	)
}

// local is its name in the store.
func (c cargo) local() string { return "localhost/" + c.name + ":1" }

func (c cargo) rows() []row {
	local := c.local()
	archive := func(b *bed) string { return filepath.Join(b.dir, c.name+".tar") }
	remote := func(b *bed) string { return b.address + "/" + c.name + ":1" }
	with := func(program func(*bed) string, args func(*bed) []string) func(*bed) error {
		return func(b *bed) error { return b.quiet(append([]string{program(b)}, args(b)...)...) }
	}
	inNewStore := func(b *bed, args ...string) []string {
		dir := filepath.Join(b.dir, "stores", fresh())
		return append([]string{"--root", dir, "--runroot", dir + "r", "--storage-driver", "overlay"}, args...)
	}
	load := func(b *bed) []string { return inNewStore(b, "load", "-q", "-i", archive(b)) }
	pull := func(b *bed) []string { return inNewStore(b, "pull", "-q", "--tls-verify=false", remote(b)) }
	push := func(b *bed) []string {
		return []string{"push", "-q", "--tls-verify=false", local, "docker://" + b.address + "/" + fresh() + ":1"}
	}
	save := func(b *bed) []string {
		return []string{"save", "-q", "-o", filepath.Join(b.dir, fresh()+".tar"), local}
	}
	loadHere := func(b *bed) error { return b.quiet(b.moss, "load", "-q", "-i", archive(b)) }
	seed := both(
		func(b *bed) error { return b.startRegistry() }, loadHere,
		func(b *bed) error {
			return b.quiet(b.moss, "push", "-q", "--tls-verify=false", local, "docker://"+remote(b))
		},
	)
	removeStores := func(b *bed) error { return b.run(b.moss, "unshare", "rm", "-rf", filepath.Join(b.dir, "stores")) }
	timed := func(what, bound string, args func(*bed) []string) row {
		return row{name: fmt.Sprintf("`%s` of %s", what, c.what), bound: bound, times: 5, moss: with(mossOf, args), podman: with(podmanOf, args)}
	}
	rows := []row{
		timed("load", "0.7", load), timed("push", "1", push), timed("save", "1", save), timed("pull", "1", pull),
		timed("rmi", "1", func(*bed) []string { return []string{"rmi", local} }),
	}
	against := func(what string, reference func(*bed) error) row {
		return row{
			name:  fmt.Sprintf("`pull` of %s, against %s (instead of podman)", c.what, what),
			bound: "1.3", times: 5, moss: rows[3].moss, podman: reference, tearDown: both(
				removeStores,
				func(b *bed) error { return os.RemoveAll(filepath.Join(b.dir, "alone")) },
			),
		}
	}
	for i, docker := range c.docker(archive, remote) {
		rows[i].others = []other{docker}
	}
	rows[0].setUp = func(b *bed) error { return c.make(b, archive(b)) }
	rows[1].setUp, rows[3].tearDown, rows[4].after = seed, removeStores, loadHere
	for i, args := range []func(*bed) []string{load, push, save, pull} {
		rows = slices.Insert(rows, 4+i, row{name: "peak memory of " + rows[i].name, figure: peak(args)})
	}
	rows[7].tearDown = removeStores
	return slices.Insert(rows, 8,
		against("gunzip, sha256 and writing its files by themselves", c.unpackAlone),
		against("that, fetching it from the same registry and waiting for the disk", c.pullAlone),
	)
}

// docker does the same with a daemon that has one store, from which the image is removed before it is to come: load, push, save, pull and rmi.
func (c cargo) docker(archive, remote func(*bed) string) []other {
	docker := func(args ...func(*bed) string) func(*bed) error {
		return func(b *bed) error {
			line := []string{"docker"}
			for _, arg := range args {
				line = append(line, arg(b))
			}
			return b.quiet(line...)
		}
	}
	word := func(s string) func(*bed) string { return func(*bed) string { return s } }
	empty := docker(word("system"), word("prune"), word("-a"), word("-f"))
	load := docker(word("load"), word("-q"), word("-i"), archive)
	var pushed string
	to := func(*bed) string { return pushed }
	tag := func(b *bed) error {
		pushed = b.address + "/" + fresh() + ":1"
		return both(load, docker(word("tag"), word(c.local()), to))(b)
	}
	saved := func(b *bed) string { return filepath.Join(b.dir, fresh()+".tar") }
	return []other{
		{"docker", load, empty},
		{"docker", docker(word("push"), word("-q"), to), tag},
		{"docker", docker(word("save"), word("-o"), saved, word(c.local())), load},
		{"docker", docker(word("pull"), word("-q"), remote), empty},
		{"docker", docker(word("rmi"), word(c.local())), both(empty, load)},
	}
}

var count int

// fresh is a name that was not used before.
func fresh() string { count++; return fmt.Sprintf("n%d", count) }

// make writes a docker-archive of gzip layers, of which half compresses well, as programs do.
func (c cargo) make(b *bed, to string) error {
	img := empty.Image
	for i := range c.layers {
		path := filepath.Join(b.dir, fresh()+".tar")
		if err := makeLayer(path, i, c.files); err != nil {
			return err
		}
		layer, err := tarball.LayerFromFile(path)
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return err
		}
	}
	tag, err := name.NewTag(c.local())
	if err != nil {
		return err
	}
	return tarball.WriteToFile(to, tag, img)
}

// makeLayer writes a tar of files of 64 KB.
func makeLayer(path string, seed, files int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	block := make([]byte, 64<<10)
	for i := range files {
		_, _ = random.Read(block[:len(block)/2]) // never fails
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("data/%d/%d", seed, i), Mode: 0o644, Size: int64(len(block))}); err != nil {
			return err
		}
		if _, err := w.Write(block); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Sync()
}
