package build

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"

	"github.com/mosscontainers/moss/pkg/sys"
)

// patience is how long a test waits for what has to happen: far longer than it takes.
const patience = 30 * time.Second

// web is a server of files that a build gets.
func web(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

// copied is an empty root with what sources gave.
func copied(sources ...llb.State) llb.State {
	root := llb.Scratch()
	for i, s := range sources {
		root = root.File(llb.Copy(s, "/", fmt.Sprintf("/%d/", i), &llb.CopyInfo{CopyDirContentsOnly: true, CreateDestPath: true}))
	}
	return root
}

// What two results need is got once, whoever asks first.
func TestEqualVerticesAreWorkedOutOnce(t *testing.T) {
	var asked atomic.Int32
	url := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			asked.Add(1)
		}
		fmt.Fprint(w, "hello")
	})
	tr := newTrial(t, newEngine(t), Options{})
	defer tr.end()
	base := copied(llb.HTTP(url, llb.Filename("f")))
	var wait sync.WaitGroup
	tops := make([]string, 4)
	for i := range tops {
		wait.Go(func() {
			r, err := tr.solveState(t.Context(), base.File(llb.Mkfile(fmt.Sprint("/made", i%2), 0o644, nil)))
			if err != nil {
				t.Error(err)
				return
			}
			tops[i] = r.layers.top()
		})
	}
	wait.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the file was got %d times", n)
	}
	if tops[0] != tops[2] || tops[1] != tops[3] || tops[0] == tops[1] {
		t.Errorf("layers are %v", tops)
	}
}

// Sources that do not need each other are got at the same time: each answer waits for the other request.
func TestIndependentVerticesAreWorkedOutSideBySide(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	var once [2]sync.Once
	url := web(t, func(w http.ResponseWriter, r *http.Request) {
		i := strings.TrimPrefix(r.URL.Path, "/")
		once[i[0]-'0'].Do(both.Done)
		both.Wait()
		fmt.Fprint(w, i)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tr := newTrial(t, newEngine(t), Options{})
	defer tr.end()
	r, err := tr.solveState(ctx, copied(llb.HTTP(url+"/0", llb.Filename("f")), llb.HTTP(url+"/1", llb.Filename("f"))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"0/f": "0", "1/f": "1"}, tr.files(r)); diff != "" {
		t.Error(diff)
	}
}

// The first failure is what is told, and it ends what goes on beside it.
func TestTheFirstFailureCancelsTheRest(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	url := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			<-started
			http.NotFound(w, r)
			return
		}
		close(started)
		<-r.Context().Done()
		close(ended)
	})
	tr := newTrial(t, newEngine(t), Options{})
	defer tr.end()
	_, err := tr.solveState(t.Context(), copied(llb.HTTP(url+"/hangs"), llb.HTTP(url+"/missing")))
	if err == nil || !strings.Contains(err.Error(), "404") || errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the other request goes on")
	}
}

// A build that is cancelled leaves no temporary file, no lock, and nothing that runs.
func TestNothingIsLeftOfACancelledBuild(t *testing.T) {
	engine := newEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := web(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	tr := newTrial(t, engine, Options{})
	dir := t.TempDir()
	put(t, filepath.Join(dir, "f"), "text")
	tr.opts.Locals = map[string]string{"context": dir}
	if r, err := tr.solveState(t.Context(), copied(llb.Local("context"))); err != nil || len(r.layers) != 1 {
		t.Fatalf("%v, %v", r, err)
	}
	_, err := tr.solveState(ctx, copied(llb.Local("context"), llb.HTTP(url)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	tr.end()
	for _, dir := range []string{"tmp", "build/sources/trees", "build/running"} {
		left, err := os.ReadDir(filepath.Join(engine.Config.Storage.GraphRoot, "moss", dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		for _, entry := range left {
			if entry.IsDir() || dir == "build/running" {
				t.Errorf("%s is left in %s", entry.Name(), dir)
			}
		}
	}
	locks, err := filepath.Glob(filepath.Join(engine.Config.Storage.GraphRoot, "moss/build/locks/*"))
	if err != nil || len(locks) == 0 {
		t.Fatalf("locks are %v (%v)", locks, err)
	}
	for _, path := range locks {
		lock, free, err := sys.TryLockFile(path)
		if err != nil || !free {
			t.Errorf("%s is held (%v)", path, err)
			continue
		}
		lock.Unlock()
	}
}

// A step is remembered by what it reads: not when files were changed, nor what of them it does not read.
func TestStepsAreRememberedByContent(t *testing.T) {
	engine := newEngine(t)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "read"), "one")
	put(t, filepath.Join(dir, "unread"), "one")
	state := llb.Scratch().File(llb.Copy(llb.Local("context"), "/read", "/"), llb.WithCustomName("copy")).
		File(llb.Mkfile("/made", 0o644, []byte("made")), llb.WithCustomName("make"))
	build := func() (cached map[string]bool, top string) {
		tr := newTrial(t, engine, Options{Locals: map[string]string{"context": dir}})
		defer tr.end()
		r := tr.mustSolve(state)
		return tr.cached, r.layers.top()
	}
	_, first := build()
	old := time.Unix(1000000000, 0)
	if err := os.Chtimes(filepath.Join(dir, "read"), old, old); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "unread"), "two")
	cached, second := build()
	if !cached["copy"] || !cached["make"] || first != second {
		t.Errorf("what has not changed was done again: %v", cached)
	}
	put(t, filepath.Join(dir, "read"), "two")
	if cached, third := build(); cached["copy"] || cached["make"] || third == first {
		t.Errorf("what has changed was not done again: %v", cached)
	}
	put(t, filepath.Join(dir, "read"), "one")
	if cached, again := build(); !cached["copy"] || again != first {
		t.Errorf("what was there before was done again: %v", cached)
	}
}

// What was remembered longer ago than is wanted is done again.
func TestOldStepsAreDoneAgain(t *testing.T) {
	engine := newEngine(t)
	state := llb.Scratch().File(llb.Mkfile("/made", 0o644, nil), llb.WithCustomName("make"))
	for _, c := range []struct {
		ttl    time.Duration
		cached bool
	}{{0, false}, {time.Hour, true}, {0, false}} {
		tr := newTrial(t, engine, Options{CacheTTL: &c.ttl})
		tr.mustSolve(state)
		if tr.cached["make"] != c.cached {
			t.Errorf("with %v: cached is %t", c.ttl, tr.cached["make"])
		}
		tr.end()
	}
}

// What one stage adds to another can be put on a third.
func TestDifferencesAreMergedElsewhere(t *testing.T) {
	tr := newTrial(t, newEngine(t), Options{})
	defer tr.end()
	lower := llb.Scratch().File(llb.Mkfile("/lower", 0o644, []byte("lower")))
	upper := lower.File(llb.Mkfile("/upper", 0o644, []byte("upper")))
	other := llb.Scratch().File(llb.Mkfile("/other", 0o644, []byte("other")))
	got := tr.files(tr.mustSolve(llb.Merge([]llb.State{other, llb.Diff(lower, upper)})))
	if diff := cmp.Diff(map[string]string{"other": "other", "upper": "upper"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := tr.solveState(t.Context(), llb.Diff(other, upper)); err == nil || !strings.Contains(err.Error(), "was not made from the other") {
		t.Errorf("error is %v", err)
	}
}
