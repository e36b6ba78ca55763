package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/build/graph"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/storage/store"
)

// TestMain puts an unprivileged user into a user namespace, which writing the store needs.
func TestMain(m *testing.M) {
	if store.Reexec() {
		return
	}
	if os.Geteuid() == 0 {
		os.Exit(m.Run())
	}
	cmd := exec.Command("unshare", append([]string{"--map-auto", "--map-root-user", "--mount", os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), "_CONTAINERS_USERNS_CONFIGURED=done", fmt.Sprintf("_CONTAINERS_ROOTLESS_UID=%d", os.Getuid()), fmt.Sprintf("_CONTAINERS_ROOTLESS_GID=%d", os.Getgid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
}

// newEngine is one with an empty store and without any configuration of the machine.
func newEngine(t *testing.T) *libpod.Engine {
	t.Helper()
	home := t.TempDir()
	empty, policy := filepath.Join(home, "empty.conf"), filepath.Join(home, "policy.json")
	put(t, empty, "")
	put(t, policy, `{"default":[{"type":"insecureAcceptAnything"}]}`)
	for key, value := range map[string]string{
		"HOME": home, "XDG_RUNTIME_DIR": home, "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "",
		"CONTAINERS_CONF": empty, "CONTAINERS_STORAGE_CONF": empty, "CONTAINERS_REGISTRIES_CONF": empty, "CONTAINERS_POLICY_JSON": policy,
	} {
		t.Setenv(key, value)
	}
	cfg, err := config.Load(config.Overrides{Root: home + "/graph", RunRoot: home + "/run"})
	if err != nil {
		t.Fatal(err)
	}
	return libpod.New(cfg)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// trial is one build of states of LLB, and what it told.
type trial struct {
	*Builder
	t      *testing.T
	mu     sync.Mutex
	cached map[string]bool // by the names of vertices that have ended well
}

// newTrial begins a build; the test ends it.
func newTrial(t *testing.T, engine *libpod.Engine, o Options) *trial {
	t.Helper()
	tr := &trial{t: t, cached: map[string]bool{}}
	o.Jobs, o.Progress = 4, tr.note
	b, err := New(t.Context(), engine, &o)
	if err != nil {
		t.Fatal(err)
	}
	tr.Builder = b
	return tr
}

func (tr *trial) note(s *client.SolveStatus) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, v := range s.Vertexes {
		if v.Completed != nil && v.Error == "" {
			tr.cached[v.Name] = v.Cached
		}
	}
}

func (tr *trial) end() {
	tr.t.Helper()
	if err := tr.Close(); err != nil {
		tr.t.Error(err)
	}
}

// solveState works a state out.
func (tr *trial) solveState(ctx context.Context, s llb.State) (result, error) {
	tr.t.Helper()
	def, err := s.Marshal(ctx, llb.LinuxAmd64)
	if err != nil {
		tr.t.Fatal(err)
	}
	end, err := graph.Parse(def.ToPB())
	if err != nil {
		tr.t.Fatal(err)
	}
	return tr.solve(ctx, end)
}

// mustSolve is solveState where nothing goes wrong.
func (tr *trial) mustSolve(s llb.State) result {
	tr.t.Helper()
	r, err := tr.solveState(tr.t.Context(), s)
	if err != nil {
		tr.t.Fatal(err)
	}
	return r
}

// files are the paths and texts of a result's regular files.
func (tr *trial) files(r result) map[string]string {
	tr.t.Helper()
	opened, err := tr.open(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer opened.Close()
	all := map[string]string{}
	err = filepath.Walk(opened.Root+"/", func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, opened.Root+"/")] = string(text)
		return err
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	return all
}
