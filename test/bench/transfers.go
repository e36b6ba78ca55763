package main

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// transfers move a 300 MB image of five gzip layers.
func transfers() []row {
	big := func(b *bed) string { return filepath.Join(b.dir, "big.tar") }
	remote := func(b *bed) string { return b.address + "/big:1" }
	load := func(program func(*bed) string) func(*bed) error {
		return func(b *bed) error { return b.quiet(program(b), "load", "-q", "-i", big(b)) }
	}
	mossOf := func(b *bed) string { return b.moss }
	podmanOf := func(*bed) string { return "podman" }
	remove := ignore(podman("rmi", "-f", "localhost/big:1"))
	forget := func(b *bed) error { _ = b.quiet("podman", "rmi", "-f", remote(b)); return remove(b) }
	with := func(program func(*bed) string, args func(*bed) []string) func(*bed) error {
		return func(b *bed) error { return b.quiet(append([]string{program(b)}, args(b)...)...) }
	}
	push := func(b *bed) []string {
		return []string{"push", "-q", "--tls-verify=false", "localhost/big:1", "docker://" + b.address + "/" + fresh() + ":1"}
	}
	pull := func(b *bed) []string { return []string{"pull", "-q", "--tls-verify=false", remote(b)} }
	save := func(b *bed) []string {
		return []string{"save", "-q", "-o", filepath.Join(b.dir, fresh()+".tar"), "localhost/big:1"}
	}
	seed := func(b *bed) error {
		return firstOf(b.startRegistry(), load(mossOf)(b), b.quiet(b.moss, "push", "-q", "--tls-verify=false", "localhost/big:1", "docker://"+remote(b)))
	}
	return []row{
		{name: "`load` of a 300 MB five-layer gzip image", bound: "0.7", times: 3, setUp: func(b *bed) error { return makeImage(b, big(b)) }, moss: load(mossOf), podman: load(podmanOf), after: remove},
		{name: "`push` of it", bound: "–", times: 3, setUp: seed, moss: with(mossOf, push), podman: with(podmanOf, push)},
		{name: "`save` of it", bound: "–", times: 3, moss: with(mossOf, save), podman: with(podmanOf, save), tearDown: remove},
		{name: "`pull` of it", bound: "–", times: 3, moss: with(mossOf, pull), podman: with(podmanOf, pull), after: forget},
	}
}

var count int

// fresh is a name that was not used before.
func fresh() string { count++; return fmt.Sprintf("n%d", count) }

// makeImage writes a docker-archive of five gzip layers, 60 MB each, of which half compresses well, as programs do.
func makeImage(b *bed, to string) error {
	img := empty.Image
	for i := range 5 {
		path := filepath.Join(b.dir, fresh()+".tar")
		if err := makeLayer(path, i); err != nil {
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
	tag, err := name.NewTag("localhost/big:1")
	if err != nil {
		return err
	}
	return tarball.WriteToFile(to, tag, img)
}

// makeLayer writes a tar of 60 MB in files of 64 KB.
func makeLayer(path string, seed int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	block := make([]byte, 64<<10)
	for i := range 960 {
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
