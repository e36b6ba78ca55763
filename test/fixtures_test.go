package test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// debianTar is made by test/setup.sh, once per machine, since debootstrap takes a minute.
const debianTar = "/var/cache/moss-test/debian.tar"

// What Moss is built of: its sources with its modules, as they were when `make stories` began, and Go. By test/setup.sh as well.
const (
	sourcesTar = "/var/cache/moss-test/sources.tar"
	goTree     = "/var/cache/moss-test/go"
)

// foreignDir has moss-hello for another architecture, the emulator for it, and the line that registers it. By test/setup.sh as well.
const foreignDir = "/var/cache/moss-test/foreign"

// fixtures are image archives, as `docker save` writes them.
type fixtures struct {
	busybox    string // docker.io/library/busybox: one layer with all of busybox
	configured string // localhost/configured: a second layer, and everything that an image can configure
}

func makeFixtures(t *testing.T) fixtures {
	dir := t.TempDir()
	made := fixtures{filepath.Join(dir, "busybox.tar"), filepath.Join(dir, "configured.tar")}
	busybox := busyboxImage(t)
	writeArchive(t, made.busybox, "docker.io/library/busybox:latest", busybox)
	writeArchive(t, made.configured, "localhost/configured:latest", configuredImage(t, busybox))
	return made
}

func busyboxImage(t *testing.T) v1.Image {
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("%v; test/setup.sh test installs it", err)
	}
	names, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	var l layer
	for _, dir := range []string{"bin", "etc", "home", "root", "usr", "usr/bin", "var", "var/lib"} {
		l.dir(dir, 0o755)
	}
	l.dir("tmp", 0o1777)
	l.file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
	l.file("etc/group", 0o644, "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\nnogroup:x:65534:\n")
	l.file("bin/busybox", 0o755, string(program))
	for _, applet := range strings.Fields(string(names)) {
		if applet != "busybox" {
			l.link("bin/"+applet, "busybox")
		}
	}
	l.file("etc/not-a-program", 0o644, "data\n")
	return build(t, empty.Image, &l, v1.Config{
		Cmd: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	})
}

func configuredImage(t *testing.T, base v1.Image) v1.Image {
	var l layer
	l.dir("data", 0o750)
	l.file("data/from-image", 0o640, "shipped\n")
	l.file("entry", 0o755, "#!/bin/sh\necho entry \"$@\"\nexec \"$@\"\n")
	l.dir("work", 0o755)
	return build(t, base, &l, v1.Config{
		Entrypoint:   []string{"/entry"},
		Cmd:          []string{"pwd"},
		Env:          []string{"PATH=/bin", "COLOUR=green", "SHAPE=round"},
		User:         "alice",
		WorkingDir:   "/work",
		Volumes:      map[string]struct{}{"/data": {}},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels:       map[string]string{"tier": "test"},
		StopSignal:   "SIGUSR1",
	})
}

// layer is a tar under construction. Writing to memory cannot fail.
type layer struct {
	buf bytes.Buffer
	tar *tar.Writer
}

func (l *layer) add(h *tar.Header, content string) {
	if l.tar == nil {
		l.tar = tar.NewWriter(&l.buf)
	}
	h.Size = int64(len(content))
	if err := l.tar.WriteHeader(h); err != nil {
		panic(err)
	}
	if _, err := io.WriteString(l.tar, content); err != nil {
		panic(err)
	}
}

func (l *layer) dir(name string, mode int64) {
	l.add(&tar.Header{Typeflag: tar.TypeDir, Name: path.Clean(name) + "/", Mode: mode}, "")
}

func (l *layer) file(name string, mode int64, content string) {
	l.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, content)
}

func (l *layer) link(name, target string) {
	l.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, "")
}

func build(t *testing.T, base v1.Image, l *layer, config v1.Config) v1.Image {
	if err := l.tar.Close(); err != nil {
		t.Fatal(err)
	}
	content := l.buf.Bytes()
	added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(base, added)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	img, err = mutate.ConfigFile(img, file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func writeArchive(t *testing.T, file, ref string, img v1.Image) {
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		t.Fatal(err)
	}
}
