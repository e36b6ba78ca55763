package image

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/reference"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/store"
)

// Loaded is an image that came out of an archive.
type Loaded struct {
	ID    string
	Names []string // as the archive claims them
	// Replaced says which image had one of the names before: name to id.
	Replaced map[string]string
}

// Load copies all images of a docker-archive or oci-archive (plain or compressed), or of a directory in
// the oci or dir layout, into the store. The archive chooses the names; a name that was another image's
// goes over, and is reported.
func (im *Images) Load(ctx context.Context, file string, progress io.Writer) ([]Loaded, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot load: %w", err)
	}
	var loaded []Loaded
	if info.IsDir() {
		loaded, err = im.loadDirectory(ctx, file, progress)
	} else {
		loaded, err = im.loadArchive(ctx, file, file, progress)
	}
	return loaded, explain(err, "load", file)
}

// streamName stands for an archive that has no path.
const streamName = "the standard input"

// LoadStream is Load for an archive that comes through a pipe. A file, as in `moss load <FILE`, is read where it is.
func (im *Images) LoadStream(ctx context.Context, stream io.Reader, progress io.Writer) (loaded []Loaded, err error) {
	if path, ok := wholeFile(stream); ok {
		loaded, err = im.loadArchive(ctx, path, streamName, progress)
		return loaded, explain(err, "load", streamName)
	}
	dir, err := im.store.TempDir()
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(dir, "load-")
	if err != nil {
		return nil, explain(err, "load", streamName)
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = io.Copy(tmp, contextReader{ctx, stream})
	if err = errors.Join(err, tmp.Close()); err != nil {
		return nil, explain(err, "load", streamName)
	}
	loaded, err = im.loadArchive(ctx, tmp.Name(), streamName, progress)
	return loaded, explain(err, "load", streamName)
}

// wholeFile is the path of a stream that is a regular file of which nothing was read yet.
func wholeFile(stream io.Reader) (path string, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return "", false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return "", false
	}
	path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return "", false
	}
	found, err := os.Stat(path) // it may be unlinked
	return path, err == nil && os.SameFile(found, info)
}

// loadArchive loads file, which errors call name.
func (im *Images) loadArchive(ctx context.Context, file, name string, progress io.Writer) (loaded []Loaded, err error) {
	plain, err := im.openPlain(ctx, file)
	if err != nil {
		return nil, err
	}
	defer closing(&err, plain)
	docker, dockerErr := readDockerArchive(plain)
	if dockerErr == nil {
		return im.loadDocker(ctx, docker, progress)
	}
	index, err := readIndex(file)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot load %s: it is neither a docker-archive (%w) nor an oci-archive (%w)", name, dockerErr, err)
	}
	if err := distinct(index); err != nil {
		return nil, err
	}
	return im.loadOCI(ctx, index, progress, func(i int) (types.ImageReference, error) {
		return ociarchive.NewReference(file, index.Manifests[i].Annotations[v1.AnnotationRefName])
	})
}

// distinct fails for an archive that lists several images by one name: the library finds only the first of them there.
func distinct(index *v1.Index) error {
	known := map[string]digest.Digest{}
	for _, m := range index.Manifests {
		name := m.Annotations[v1.AnnotationRefName]
		if before, ok := known[name]; ok && before != m.Digest {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot load the archive: it lists several images as %q; unpack it, and load the directory", name)
		}
		known[name] = m.Digest
	}
	return nil
}

// decompressed is the plain stream of a file, and whether it was compressed.
func decompressed(f *os.File) (io.ReadCloser, bool, error) {
	stream := bufio.NewReader(f)
	if head, err := stream.Peek(len(xzMagic)); err == nil && string(head) == xzMagic {
		plain, err := store.Unxz(stream)
		return io.NopCloser(plain), true, err
	}
	return compression.AutoDecompress(stream)
}

const xzMagic = "\xfd7zXZ\x00"

// openPlain opens an archive without its compression: a file that has none is read where it is.
func (im *Images) openPlain(ctx context.Context, file string) (plain *os.File, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	stream, compressed, err := decompressed(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err == nil && !compressed && info.Mode().IsRegular() { // not a pipe, as <(xz -d …) is
		return f, stream.Close()
	}
	defer closing(&err, f)
	if err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	plain, err = im.store.Spool(ctx, stream)
	if err != nil {
		_ = stream.Close() // says the same again
		return nil, err
	}
	return plain, stream.Close()
}

func (im *Images) loadDirectory(ctx context.Context, dir string, progress io.Writer) ([]Loaded, error) {
	data, err := os.ReadFile(filepath.Join(dir, v1.ImageIndexFile))
	if errors.Is(err, os.ErrNotExist) {
		ref, err := directory.NewReference(dir)
		if err != nil {
			return nil, err
		}
		one, err := im.loadOne(ctx, ref, nil, progress)
		if err != nil {
			return nil, err
		}
		return []Loaded{one}, nil
	}
	if err != nil {
		return nil, err
	}
	var index v1.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, err
	}
	return im.loadOCI(ctx, &index, progress, func(i int) (types.ImageReference, error) {
		return layout.NewIndexReference(dir, i)
	})
}

// containerdName is the annotation with the whole name of an image, where containerd and BuildKit write only its tag into the usual one.
const containerdName = "io.containerd.image.name"

// loadOCI loads the images that an index lists, each by the name of its annotation. open opens one by its place in the list.
func (im *Images) loadOCI(ctx context.Context, index *v1.Index, progress io.Writer, open func(i int) (types.ImageReference, error)) ([]Loaded, error) {
	if len(index.Manifests) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot load the archive: its index lists no image")
	}
	var all []Loaded
	for i, manifest := range index.Manifests {
		ref, err := open(i)
		if err != nil {
			return all, err
		}
		name := cmp.Or(manifest.Annotations[containerdName], manifest.Annotations[v1.AnnotationRefName])
		var names []reference.Named
		if named, err := ParseName(name); name != "" && err == nil {
			names = append(names, named)
		}
		one, err := im.loadOne(ctx, ref, names, progress)
		if err != nil {
			return all, err
		}
		all = append(all, one)
	}
	return all, nil
}

// loadOne copies an image out of an archive or a directory.
func (im *Images) loadOne(ctx context.Context, src types.ImageReference, names []reference.Named, progress io.Writer) (Loaded, error) {
	var first reference.Named
	if len(names) > 0 {
		first = names[0]
	}
	return im.takeNames(names, func() (id string, err error) {
		sys, err := im.plain()
		if err != nil {
			return "", err
		}
		pulled, err := im.copyIn(ctx, src, sys, first, Copying{Progress: progress})
		return pulled.ID, err
	})
}

// takeNames gives an image that bring brings the names that its archive claims.
func (im *Images) takeNames(claimed []reference.Named, bring func() (id string, err error)) (Loaded, error) {
	loaded := Loaded{Replaced: map[string]string{}}
	for _, named := range claimed {
		if old, err := im.library().Image(named.String()); err == nil {
			loaded.Replaced[named.String()] = old.ID
		}
	}
	for _, named := range claimed {
		loaded.Names = append(loaded.Names, named.String())
	}
	id, err := im.bringNamed(loaded.Names, bring)
	if err != nil {
		return loaded, err
	}
	loaded.ID = id
	for _, name := range loaded.Names {
		if loaded.Replaced[name] == id {
			delete(loaded.Replaced, name)
		}
	}
	return loaded, im.store.SyncImages()
}

// bringNamed brings an image and names it; again where somebody removed it while it had no name yet.
func (im *Images) bringNamed(called []string, bring func() (id string, err error)) (id string, err error) {
	for range tries {
		if id, err = bring(); err != nil {
			return "", err
		}
		if err = im.library().AddNames(id, called); !removedMeanwhile(err) {
			break
		}
	}
	return id, explain(err, "name", names.Short(id))
}

// maxIndex bounds what is read of an archive's index.json: 4 MiB, the limit for manifests of the OCI
// distribution specification.
const maxIndex = 4 << 20

// readIndex finds index.json in an oci-archive.
func readIndex(file string) (index *v1.Index, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer closing(&err, f)
	stream, compressed, err := decompressed(f)
	if err != nil {
		return nil, err
	}
	defer closing(&err, stream)
	var r io.Reader = stream
	if !compressed { // a file can be skipped through, which the detection's buffer hides
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		r = f
	}
	for entries := tar.NewReader(r); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it holds no index.json")
		}
		if err != nil {
			return nil, err
		}
		if path.Clean(header.Name) == v1.ImageIndexFile {
			index = &v1.Index{}
			return index, json.NewDecoder(io.LimitReader(entries, maxIndex)).Decode(index)
		}
	}
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
