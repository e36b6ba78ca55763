package oci

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// bundle writes the example's configuration, changed.
func bundle(t *testing.T, change func(*specs.Spec)) string {
	t.Helper()
	spec := example()
	change(spec)
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatCannotBeHadIsRefused(t *testing.T) {
	hook := []specs.Hook{{Path: "/bin/true"}}
	for name, change := range map[string]func(*specs.Spec){
		"a user namespace": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		},
		"somebody else's user namespace": func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/self/ns/net"})
		},
		"id mappings":          func(s *specs.Spec) { s.Linux.UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
		"a mount's mappings":   func(s *specs.Spec) { s.Mounts[0].UIDMappings = []specs.LinuxIDMapping{{Size: 1}} },
		"AppArmor":             func(s *specs.Spec) { s.Process.ApparmorProfile = "x" },
		"SELinux":              func(s *specs.Spec) { s.Linux.MountLabel = "x" },
		"createContainer hook": func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateContainer: hook} },
		"startContainer hook":  func(s *specs.Spec) { s.Hooks = &specs.Hooks{StartContainer: hook} },
		"seccomp flags": func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}}
		},
		"all cgroups":       func(s *specs.Spec) { s.Linux.CgroupsPath = "/a/.." },
		"systemd's cgroups": func(s *specs.Spec) { s.Linux.CgroupsPath = "user.slice:moss:box" },
		"nothing to run":    func(s *specs.Spec) { s.Process = nil },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(bundle(t, change))
			if !errors.Is(err, errdefs.ErrUnavailable) && !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("got %v, want that it is refused", err)
			}
		})
	}
}

func TestTheCallersUserNamespaceIsNoOther(t *testing.T) {
	spec, err := load(bundle(t, func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: "/proc/self/ns/user"})
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range spec.Linux.Namespaces {
		if n.Type == specs.UserNamespace {
			t.Error("it is still to be joined")
		}
	}
}

func TestADamagedContainerHidesNoOther(t *testing.T) {
	r := &Runtime{Root: t.TempDir()}
	good, lock, err := r.claim("good")
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
	good.ID = "good"
	bad, lock, err := r.claim("bad")
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
	if err := errors.Join(good.write(), os.WriteFile(filepath.Join(bad.dir, recordFile), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	list, err := r.List()
	if len(list) != 1 || list[0].ID != "good" || !errors.Is(err, errdefs.ErrDamaged) {
		t.Errorf("got %v, %v", list, err)
	}
	if _, err := r.Delete(t.Context(), "bad", false); !errors.Is(err, errdefs.ErrDamaged) {
		t.Errorf("deleting it: %v", err)
	}
	if warnings, err := r.Delete(t.Context(), "bad", true); err != nil || len(warnings) != 1 {
		t.Errorf("deleting it by force: %v, %v", warnings, err)
	}
}

func TestAContainerWhoseCreatorWasKilledCanBeDeleted(t *testing.T) {
	r := &Runtime{Root: t.TempDir()}
	_, lock, err := r.claim("box")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.State("box"); err != nil || s.Status != specs.StateCreating {
		t.Errorf("while it is created: %v, %v", s, err)
	}
	lock.Unlock()
	if s, err := r.State("box"); err != nil || s.Status != specs.StateStopped {
		t.Errorf("afterwards: %v, %v", s, err)
	}
	if _, err := r.Delete(t.Context(), "box", false); err != nil {
		t.Error(err)
	}
}
