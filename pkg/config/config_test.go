package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// alone makes an empty home the caller's, with no file of the machine in the way.
func alone(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	run := filepath.Join(home, "run")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(home, "empty.conf")
	write(t, empty, "")
	t.Setenv("HOME", home)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("CONTAINERS_CONF", empty)
	t.Setenv("CONTAINERS_STORAGE_CONF", empty)
	return home
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestStorageConfIsHonouredAndFlagsWin(t *testing.T) {
	home := alone(t)
	conf := filepath.Join(home, "storage.conf")
	write(t, conf, `[storage]
driver = "overlay"
graphroot = "`+home+`/graph"
runroot = "`+home+`/runroot"
[storage.options]
additionalimagestores = ["/srv/images"]
[storage.options.overlay]
mount_program = "/usr/bin/fuse-overlayfs"
`)
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	cfg, err := Load(Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Storage
	if s.GraphRoot != home+"/graph" || s.RunRoot != home+"/runroot" || s.Driver != "overlay" {
		t.Errorf("storage.conf was not honoured: %+v", s)
	}
	if len(s.AdditionalStores) != 1 || s.AdditionalStores[0] != "/srv/images" {
		t.Errorf("additional stores: %q", s.AdditionalStores)
	}
	if got := s.Option("mount_program"); got != "/usr/bin/fuse-overlayfs" {
		t.Errorf("mount_program: %q", got)
	}
	cfg, err = Load(Overrides{Root: "/x/graph", RunRoot: "/x/run", StorageOpts: []string{"overlay.size=1g"}})
	if err != nil {
		t.Fatal(err)
	}
	s = cfg.Storage
	if s.GraphRoot != "/x/graph" || s.RunRoot != "/x/run" || len(s.Options) != 1 {
		t.Errorf("flags did not win: %+v", s)
	}
}

func TestUnusableConfigHomeCountsAsUnset(t *testing.T) {
	for _, value := range []string{"", "some/where"} {
		home := alone(t)
		os.Unsetenv("CONTAINERS_STORAGE_CONF") // alone puts it back
		t.Setenv("XDG_CONFIG_HOME", value)
		t.Chdir(home)
		write(t, filepath.Join(home, ".config/containers/storage.conf"), "[storage]\ndriver = \"overlay\"\ngraphroot = \""+home+"/mine\"\n")
		for _, dir := range []string{"", "some/where"} {
			write(t, filepath.Join(home, dir, "containers/storage.conf"), "[storage]\ndriver = \"overlay\"\ngraphroot = \"/not/mine\"\n")
		}
		cfg, err := Load(Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.Storage.GraphRoot; got != home+"/mine" {
			t.Errorf("with XDG_CONFIG_HOME=%q the store is %s", value, got)
		}
	}
}

func TestContainersConfOverDefaults(t *testing.T) {
	home := alone(t)
	conf := filepath.Join(home, "containers.conf")
	write(t, conf, `[containers]
default_ulimits = ["nofile=1024:2048"]
pids_limit = 99
[engine]
detach_keys = "ctrl-x"
[engine.runtimes]
crun = ["/usr/bin/crun"]
`)
	t.Setenv("CONTAINERS_CONF", conf)
	cfg, err := Load(Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Containers
	if *c.PidsLimit != 99 || c.DetachKeys != "ctrl-x" || len(c.Ulimits) != 1 || c.Runtimes["crun"][0] != "/usr/bin/crun" {
		t.Errorf("containers.conf was not honoured: %+v", c)
	}
	if !c.HTTPProxy || c.StopTimeout != 10 || c.PullPolicy != "missing" {
		t.Errorf("defaults are gone: %+v", c)
	}
}

func TestOnlyCommentsAreLeftOutOfContainersConf(t *testing.T) {
	conf := filepath.Join(alone(t), "containers.conf")
	write(t, conf, "# \"\"\" begins nothing here\n[containers]\n  # tz = \"local\"\nlabel = \"x\"\ntz = \"\"\"\\\n# within a text\"\"\"\n\tpids_limit = 7 # as well")
	t.Setenv("CONTAINERS_CONF", conf)
	cfg, err := Load(Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	if c := cfg.Containers; c.Timezone != "# within a text" || *c.PidsLimit != 7 {
		t.Errorf("timezone %q, limit %d", c.Timezone, c.PidsLimit)
	}
	write(t, conf, "# one\n# two\npids_limit = many\n")
	if _, err := Load(Overrides{}); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("the error does not name line 3: %v", err)
	}
}

func TestDamagedContainersConfNamesTheFile(t *testing.T) {
	home := alone(t)
	conf := filepath.Join(home, "containers.conf")
	write(t, conf, "[containers\n")
	t.Setenv("CONTAINERS_CONF", conf)
	if _, err := Load(Overrides{}); err == nil || !strings.Contains(err.Error(), conf) {
		t.Errorf("the error does not name %s: %v", conf, err)
	}
}

func TestRuntimeDirOfSomebodyElseIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "moss-1")
	if err := ownPrivate(dir); err != nil {
		t.Fatal(err)
	}
	if err := ownPrivate(dir); err != nil {
		t.Fatalf("a second use: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ownPrivate(dir); err == nil || !strings.Contains(err.Error(), "0700") {
		t.Errorf("a directory open to others was accepted: %v", err)
	}
	link := filepath.Join(t.TempDir(), "moss-1")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if err := ownPrivate(link); err == nil {
		t.Error("a link was accepted")
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(Overrides{}); err != nil {
			b.Fatal(err)
		}
	}
}
