package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/mosscontainers/moss/pkg/sys"
)

// unpackAlone does what nobody who pulls an image can leave out: each layer is read, its sum made before and after decompression, and its
// files are written; as many layers at a time as there are cores. No network, no store.
func (c cargo) unpackAlone(b *bed) error {
	return c.alone(b, func(blob string) (io.ReadCloser, error) { return os.Open(b.blob(blob)) })
}

// pullAlone does the same with what comes from the registry, whose work is done on the same cores, and has the disk hold it.
func (c cargo) pullAlone(b *bed) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: runtime.NumCPU()}}
	defer client.CloseIdleConnections()
	err := c.alone(b, func(blob string) (io.ReadCloser, error) {
		resp, err := client.Get("http://" + b.address + "/v2/" + c.name + "/blobs/" + blob)
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	})
	return firstOf(err, sys.SyncFileSystem(b.dir))
}

func (c cargo) alone(b *bed, open func(blob string) (io.ReadCloser, error)) error {
	layers, err := c.blobs(b)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, "alone", fresh())
	errs := make([]error, len(layers))
	slots := make(chan struct{}, runtime.NumCPU())
	var wg sync.WaitGroup
	for i, blob := range layers {
		wg.Go(func() {
			slots <- struct{}{}
			errs[i] = unpackLayer(open, blob, filepath.Join(dir, fmt.Sprint(i)))
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// blob is where the registry keeps it.
func (b *bed) blob(digest string) string {
	_, digits, _ := strings.Cut(digest, ":")
	return filepath.Join(b.dir, "registry/docker/registry/v2/blobs/sha256", digits[:2], digits, "data")
}

// blobs are the digests of the layers in the registry.
func (c cargo) blobs(b *bed) ([]string, error) {
	link, err := os.ReadFile(filepath.Join(b.dir, "registry/docker/registry/v2/repositories", c.name, "_manifests/tags/1/current/link"))
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(b.blob(string(link)))
	if err != nil {
		return nil, err
	}
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, err
	}
	var digests []string
	for _, l := range manifest.Layers {
		digests = append(digests, l.Digest)
	}
	return digests, nil
}

func unpackLayer(open func(blob string) (io.ReadCloser, error), blob, dir string) error {
	f, err := open(blob)
	if err != nil {
		return err
	}
	defer f.Close()
	compressed, plain := sha256.New(), sha256.New()
	from := io.TeeReader(f, compressed)
	z, err := gzip.NewReader(from)
	if err != nil {
		return err
	}
	if err := unpackTar(io.TeeReader(z, plain), dir); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, from); err != nil {
		return err
	}
	if got := "sha256:" + hex(compressed); got != blob {
		return fmt.Errorf("%s has the sum %s", blob, got)
	}
	return nil
}

func hex(h hash.Hash) string { return fmt.Sprintf("%x", h.Sum(nil)) }

func unpackTar(from io.Reader, dir string) error {
	made := map[string]bool{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, from) // what is behind the last entry counts too
			return err
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, h.Name)
		if parent := filepath.Dir(path); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made[parent] = true
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeFile(path, r); err != nil {
			return err
		}
	}
}

func writeFile(path string, from io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
