package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/pkg/sys"
)

// started is a record whose start is not written down yet, and whose monitor, this process, has told of a life that began at a
// time of its clock.
func started(t *testing.T, finished, began time.Time) Record {
	t.Helper()
	self, err := sys.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	rec := Record{Status: Exited, FinishedAt: finished, RunDir: t.TempDir()}
	if err := rec.intend(Starting); err != nil {
		t.Fatal(err)
	}
	l := &Locked{Container: &Container{State: rec}}
	told, err := l.Running()
	if err != nil {
		t.Fatal(err)
	}
	life, err := json.Marshal(monitor.Life{Pids: monitor.Pids{Monitor: self, Container: self}, Began: began, Record: told})
	if err == nil {
		err = os.WriteFile(filepath.Join(rec.RunDir, "life"), life, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestAContainerRunsAlsoWhenTheClockWasSetBack(t *testing.T) {
	finished := time.Now().Round(0)
	rec := started(t, finished, finished.Add(-time.Hour))
	if seen := rec.Observed(); seen.Status != Running {
		t.Errorf("the container is %s, want %s", seen.Status, Running)
	}
}

func TestTheLifeBeforeTheLastEndIsNotThisStart(t *testing.T) {
	finished := time.Now().Round(0)
	rec := started(t, finished, finished.Add(time.Second))
	rec.FinishedAt = finished.Add(-time.Minute) // that life's, by a clock that was set back
	if seen := rec.Observed(); seen.Status != Exited {
		t.Errorf("the container is %s, want %s", seen.Status, Exited)
	}
}

// Else the end of the life before would be taken for that of the one that was killed.
func TestALifeThatBeganByAClockThatWasSetBack(t *testing.T) {
	var rec Record
	ended := time.Now().Round(0)
	rec.ended(monitor.Exit{Time: ended})
	rec.begin(monitor.Pids{}, ended.Add(-time.Hour))
	if seen := rec.Observed(); seen.Status != Exited || seen.ExitCode != exitLost {
		t.Errorf("%s %d, want %s %d", seen.Status, seen.ExitCode, Exited, exitLost)
	}
	rec.ended(monitor.Exit{Code: 3, Time: ended.Add(-time.Hour)})
	if seen := rec.Observed(); seen.ExitCode != 3 {
		t.Errorf("the exit code is %d, want 3", seen.ExitCode)
	}
}

// A monitor that was killed, or found no room, between telling the end and writing it down.
func TestAnEndThatWasOnlyToldIsKept(t *testing.T) {
	began := time.Now().Round(0)
	rec := Record{Status: Running, StartedAt: began, RunDir: t.TempDir()}
	if seen := rec.Observed(); seen.Status != Exited || seen.ExitCode != exitLost {
		t.Errorf("%s %d, want %s %d", seen.Status, seen.ExitCode, Exited, exitLost)
	}
	for _, tt := range []struct {
		ended time.Time
		want  int
	}{{began.Add(time.Second), 3}, {began.Add(-time.Second), exitLost}} {
		exit, err := json.Marshal(monitor.Exit{Code: 3, Time: tt.ended})
		if err == nil {
			err = os.WriteFile(filepath.Join(rec.RunDir, "exit"), exit, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen := rec.Observed(); seen.Status != Exited || seen.ExitCode != tt.want {
			t.Errorf("%s %d, want %s %d", seen.Status, seen.ExitCode, Exited, tt.want)
		}
	}
}
