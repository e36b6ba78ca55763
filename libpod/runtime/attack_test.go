package runtime_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
)

// TestHostileImagesAreRefused runs images that try to reach out of the container. None may start.
func TestHostileImagesAreRefused(t *testing.T) {
	l := own(t)
	for name, attack := range map[string]func(t *testing.T, b *runtime.Bundle, layer string){
		"dev is a link":    func(t *testing.T, _ *runtime.Bundle, layer string) { must(t, os.Symlink("/tmp", layer+"/dev")) },
		"proc is a link":   func(t *testing.T, _ *runtime.Bundle, layer string) { must(t, os.Symlink("/tmp", layer+"/proc")) },
		"sys is a link":    func(t *testing.T, _ *runtime.Bundle, layer string) { must(t, os.Symlink("tmp", layer+"/sys")) },
		"user too large":   func(_ *testing.T, b *runtime.Bundle, _ string) { b.User = "4294967296" },
		"user is no user":  func(_ *testing.T, b *runtime.Bundle, _ string) { b.User = "4294967295" },
		"user wraps":       func(_ *testing.T, b *runtime.Bundle, _ string) { b.User = "18446744073709551616" },
		"user with a sign": func(_ *testing.T, b *runtime.Bundle, _ string) { b.User = "+0" },
		"user whose id is no number": func(_ *testing.T, b *runtime.Bundle, _ string) {
			b.User = "zero"
		},
		"group is no group": func(_ *testing.T, b *runtime.Bundle, _ string) { b.User = "alice:4294967295" },
		"workdir is a descriptor": func(_ *testing.T, b *runtime.Bundle, _ string) {
			b.Spec.Process.Cwd = "/proc/self/fd/5"
		},
		"workdir is a link to a descriptor": func(t *testing.T, b *runtime.Bundle, layer string) {
			must(t, os.Symlink("/proc/self/fd/5", layer+"/w"))
			b.Spec.Process.Cwd = "/w"
		},
		"passwd is a FIFO": func(t *testing.T, b *runtime.Bundle, layer string) {
			must(t, os.Remove(layer+"/etc/passwd"))
			must(t, syscall.Mkfifo(layer+"/etc/passwd", 0o600))
			b.User = "alice"
		},
		"passwd is huge": func(t *testing.T, b *runtime.Bundle, layer string) {
			must(t, os.Truncate(layer+"/etc/passwd", 4<<30))
			b.User = "alice"
		},
		"passwd leads to the host's": func(t *testing.T, b *runtime.Bundle, layer string) {
			must(t, os.Remove(layer+"/etc/passwd"))
			must(t, os.Symlink("../../../../../../../../etc/host", layer+"/etc/passwd"))
			b.User = "mosstest"
		},
		"volume over proc": func(t *testing.T, b *runtime.Bundle, layer string) {
			must(t, os.Symlink("/proc/sys", layer+"/v"))
			b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/v", Type: "bind", Source: t.TempDir()})
		},
		"volume as proc": func(t *testing.T, b *runtime.Bundle, _ string) {
			b.Spec.Mounts = []specs.Mount{{Destination: "/proc", Type: "bind", Source: t.TempDir()}}
		},
		"tmpfs as proc": func(_ *testing.T, b *runtime.Bundle, _ string) {
			b.Spec.Mounts = []specs.Mount{{Destination: "/proc", Type: "tmpfs", Source: "tmpfs"}}
		},
		"mount over the root": func(t *testing.T, b *runtime.Bundle, _ string) {
			b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/tmp/..", Type: "bind", Source: t.TempDir()})
		},
		"empty filter": func(t *testing.T, b *runtime.Bundle, _ string) {
			b.Seccomp = filepath.Join(t.TempDir(), "empty")
			must(t, os.WriteFile(b.Seccomp, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "id; pwd")
			attack(t, b, layer(b.Overlay))
			r, err := run(t, l, b)
			if err == nil {
				t.Errorf("it ran: %d %s", r.code, r.out)
			}
			t.Log(err)
		})
	}
}

func TestAContainerCannotOverwriteOurProgram(t *testing.T) {
	exe := program(t)
	before := hash(t, exe)
	b := bundle(t, "ls -l /proc/1/exe; (echo evil >/proc/1/exe) 2>&1; (echo evil >>/proc/self/fd/4) 2>&1; true")
	b.Init = true
	r := mustRun(t, runtime.New(exe), b)
	if strings.Contains(r.out, "/fd/4\n") || hash(t, exe) != before {
		t.Errorf("the program was changed: %s", r.out)
	}
	b = bundle(t, "")
	b.Spec.Process.Args = []string{"/proc/self/exe", "x"}
	_, _ = run(t, runtime.New(exe), b) // whether it runs does not matter, only what it can change
	if hash(t, exe) != before {
		t.Error("the program was changed")
	}
}

func TestMountTargetsThroughLinksStayInside(t *testing.T) {
	b := bundle(t, "ls /etc/new")
	outside := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(layer(b.Overlay), "out")))
	b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/out/new", Type: "tmpfs", Source: "tmpfs"})
	_, err := run(t, own(t), b)
	t.Log(err)
	entries, err := os.ReadDir(outside)
	must(t, err)
	if len(entries) != 0 {
		t.Errorf("something was made outside of the container: %v", entries)
	}
}

func hash(t *testing.T, file string) [sha256.Size]byte {
	t.Helper()
	b, err := os.ReadFile(file)
	must(t, err)
	return sha256.Sum256(b)
}
