package state_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// FuzzFiles reads whatever is in a container's files: it is a container, or a damaged one that is named.
func FuzzFiles(f *testing.F) {
	id := strings.Repeat("a", 64)
	whole := spec.Container{ID: id, Name: "x"}
	whole.Remove = true
	description, err := json.Marshal(&whole)
	if err != nil {
		f.Fatal(err)
	}
	for _, record := range []string{
		`{"status":"created"}`, `{"status":"running","monitor":{"pid":-1},"init":{"pid":1,"startTime":1,"bootID":"x"},"runDir":"/nowhere"}`,
		`{"status":"created","intent":"starting","boot":"x"}`, `{"status":"exited","exitCode":1e99}`, `null`, `[]`, ``,
	} {
		f.Add(description, []byte(record))
		f.Add([]byte(record), []byte(record))
	}
	f.Fuzz(func(t *testing.T, description, record []byte) {
		store := &state.Store{Dir: t.TempDir()}
		add(t, store, id, "x")
		for name, data := range map[string][]byte{"spec.json": description, "state.json": record} {
			if err := os.WriteFile(filepath.Join(store.ContainerDir(id), name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := store.Read(id)
		if err != nil {
			t.Fatal(err)
		}
		if c.Spec.ID != id || c.Spec.Name == "" {
			t.Errorf("%+v", c.Spec)
		}
		c.Gone()
		if c.Damaged != nil {
			if errdefs.ExitCode(c.Damaged, errdefs.Other) != errdefs.ExitEngine {
				t.Error(c.Damaged)
			}
			return
		}
		_ = c.State.Observed()
		if all, err := store.All(); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
	})
}
