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

// transfers move a 300 MB image of five gzip layers. What writes a store gets a new one each time: ext4 is slow to make
// files right after it has removed as many.
func transfers() []row {
	big := func(b *bed) string { return filepath.Join(b.dir, "big.tar") }
	remote := func(b *bed) string { return b.address + "/big:1" }
	with := func(program func(*bed) string, args func(*bed) []string) func(*bed) error {
		return func(b *bed) error { return b.quiet(append([]string{program(b)}, args(b)...)...) }
	}
	inNewStore := func(b *bed, args ...string) []string {
		dir := filepath.Join(b.dir, "stores", fresh())
		return append([]string{"--root", dir, "--runroot", dir + "r", "--storage-driver", "overlay"}, args...)
	}
	load := func(b *bed) []string { return inNewStore(b, "load", "-q", "-i", big(b)) }
	pull := func(b *bed) []string { return inNewStore(b, "pull", "-q", "--tls-verify=false", remote(b)) }
	push := func(b *bed) []string {
		return []string{"push", "-q", "--tls-verify=false", "localhost/big:1", "docker://" + b.address + "/" + fresh() + ":1"}
	}
	save := func(b *bed) []string {
		return []string{"save", "-q", "-o", filepath.Join(b.dir, fresh()+".tar"), "localhost/big:1"}
	}
	seed := func(b *bed) error {
		return firstOf(b.startRegistry(), b.quiet(b.moss, "load", "-q", "-i", big(b)),
			b.quiet(b.moss, "push", "-q", "--tls-verify=false", "localhost/big:1", "docker://"+remote(b)))
	}
	removeStores := func(b *bed) error { return b.run(b.moss, "unshare", "rm", "-rf", filepath.Join(b.dir, "stores")) }
	return []row{
		{name: "`load` of a 300 MB five-layer gzip image", bound: "0.7", times: 5, setUp: func(b *bed) error { return makeImage(b, big(b)) }, moss: with(mossOf, load), podman: with(podmanOf, load)},
		{name: "`push` of it", bound: "–", times: 3, setUp: seed, moss: with(mossOf, push), podman: with(podmanOf, push)},
		{name: "`save` of it", bound: "–", times: 3, moss: with(mossOf, save), podman: with(podmanOf, save)},
		{name: "`pull` of it", bound: "–", times: 3, moss: with(mossOf, pull), podman: with(podmanOf, pull), tearDown: removeStores},
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
