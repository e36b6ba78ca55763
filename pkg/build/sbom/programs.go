package sbom

import (
	"context"
	"debug/buildinfo"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/mosscontainers/moss/pkg/build/tree"
)

// programs looks for programs that were made with Go.
func (s *scan) programs(ctx context.Context, t *tree.Tree) error {
	v, err := t.Open()
	if err != nil {
		return err
	}
	defer v.Close()
	return v.Walk(ctx, tree.Selection{}, programs{s})
}

// programs is the visitor that looks into executable files.
type programs struct{ *scan }

func (programs) Enter(*tree.Entry) error { return nil }
func (programs) Leave(*tree.Entry) error { return nil }

// Visit reads what Go's linker wrote into a program, if that made it.
func (p programs) Visit(e *tree.Entry) error {
	const regular, executable = 0o100000, 0o111
	if e.Kind() != regular || e.Stat.Mode&executable == 0 {
		return nil
	}
	f, err := e.OpenFile()
	if err != nil {
		return nil // it was a file of another kind: nothing of a root changes meanwhile
	}
	defer f.Close()
	if !isELF(f) {
		return nil
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		return nil // not Go's, or damaged, as any file may be
	}
	p.modules(info, "/"+e.Path)
	return nil
}

func isELF(f *os.File) bool {
	head := make([]byte, 4)
	_, err := io.ReadFull(f, head)
	return err == nil && string(head) == "\x7fELF"
}

// modules lists a program's own module, those that it is made of, and the standard library.
func (s *scan) modules(info *debug.BuildInfo, path string) {
	s.module(&info.Main, path)
	s.module(&debug.Module{Path: "stdlib", Version: strings.TrimPrefix(info.GoVersion, "go")}, path)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		s.module(m, path)
	}
}

func (s *scan) module(m *debug.Module, path string) {
	if m.Path == "" {
		return
	}
	version := m.Version
	if version == "(devel)" {
		version = ""
	}
	namespace, name := "", m.Path
	if i := strings.LastIndex(m.Path, "/"); i >= 0 {
		namespace, name = m.Path[:i], m.Path[i+1:]
	}
	s.add(Package{
		Name: m.Path, Version: version, Source: path,
		URL: packageurl.NewPackageURL(packageurl.TypeGolang, namespace, name, version, nil, "").ToString(),
	})
}
