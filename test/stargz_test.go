package test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
)

// toStargz LAYOUT: makes the layers of the image in an OCI layout, which are not compressed, eStargz ones.
func toStargz(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: estargz LAYOUT")
	}
	l := ociLayout{ts, ts.MkAbs(args[0])}
	var index v1.Index
	var manifest v1.Manifest
	var config v1.Image
	l.read(filepath.Join(l.dir, "index.json"), &index)
	l.read(l.blob(index.Manifests[0].Digest), &manifest)
	l.read(l.blob(manifest.Config.Digest), &config)
	for i := range manifest.Layers {
		manifest.Layers[i], config.RootFS.DiffIDs[i] = l.stargz(manifest.Layers[i])
	}
	l.write(&manifest.Config, config)
	l.write(&index.Manifests[0], manifest)
	raw, err := json.Marshal(index)
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(l.dir, "index.json"), raw, 0o644))
}

// ociLayout is a directory in OCI's layout.
type ociLayout struct {
	ts  *testscript.TestScript
	dir string
}

func (l ociLayout) blob(d digest.Digest) string {
	return filepath.Join(l.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

func (l ociLayout) read(path string, into any) {
	raw, err := os.ReadFile(path)
	l.ts.Check(err)
	l.ts.Check(json.Unmarshal(raw, into))
}

// write adds a JSON file and has d describe it.
func (l ociLayout) write(d *v1.Descriptor, value any) {
	raw, err := json.Marshal(value)
	l.ts.Check(err)
	d.Digest, d.Size = digest.FromBytes(raw), int64(len(raw))
	l.ts.Check(os.WriteFile(l.blob(d.Digest), raw, 0o644))
}

// stargz adds an eStargz layer with the content of a plain one, and returns what describes it and the digest of what it unpacks to.
func (l ociLayout) stargz(plain v1.Descriptor) (v1.Descriptor, digest.Digest) {
	f, err := os.Open(l.blob(plain.Digest))
	l.ts.Check(err)
	defer f.Close()
	built, err := estargz.Build(io.NewSectionReader(f, 0, plain.Size))
	l.ts.Check(err)
	raw, err := io.ReadAll(built)
	l.ts.Check(err)
	l.ts.Check(built.Close())
	d := v1.Descriptor{
		MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromBytes(raw), Size: int64(len(raw)),
		Annotations: map[string]string{estargz.TOCJSONDigestAnnotation: built.TOCDigest().String()},
	}
	l.ts.Check(os.WriteFile(l.blob(d.Digest), raw, 0o644))
	return d, built.DiffID()
}
