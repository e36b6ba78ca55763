package libpod

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mosscontainers/moss/pkg/sys"
)

func TestRecordsOfProgramsThatNobodyRunsGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"moss-monitor-0123", "moss-root-0123", "moss-monitor-4567.89", "users.lock"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("1 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := sys.WriteProcess(filepath.Join(dir, "moss-monitor-cdef"), os.Getpid()); err != nil {
		t.Fatal(err)
	}
	forgetPrograms(dir)
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	want := []string{"moss-monitor-4567.89", "moss-monitor-cdef", "users.lock"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}
