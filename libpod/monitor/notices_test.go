package monitor

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mosscontainers/moss/pkg/sys"
)

func TestContainersSayOnlyHowTheyAre(t *testing.T) {
	for message, want := range map[string]string{
		"READY=1":                       "READY=1",
		"READY=1\nSTATUS=up, at last ✓": "READY=1\nSTATUS=up, at last ✓",
		"MAINPID=1\nREADY=1":            "READY=1",
		"FDSTORE=1\nFDNAME=x":           "",
		"BARRIER=1":                     "",
		"STATUS=\x1b[2J":                "",
		"STATUS=a\u009b31m":             "",
		"X_READY=1":                     "",
		"READY":                         "",
		"":                              "",
	} {
		if diff := cmp.Diff(want, fit(message)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", message, diff)
		}
	}
}

// Whoever started the container tells first which process the service is, and messages that come while nobody reads wait.
func TestNoticesArePassedOnInOrder(t *testing.T) {
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "manager"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	m := &monitor{req: &Request{RunDir: dir, Notify: filepath.Join(dir, "manager")}}
	if err := m.openNotices(); err != nil {
		t.Fatal(err)
	}
	mine, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	say := func(socket, message string) {
		t.Helper()
		if err := sys.Notify(filepath.Join(dir, socket), message); err != nil {
			t.Error(err)
		}
	}
	say(NotifySocket, "")
	say(NotifySocket, "READY=1")
	m.notices.passOn(theirs)
	say("manager", "MAINPID=1")
	mine.Close()
	heard := func() string {
		message := make([]byte, maxNotice)
		n, err := manager.Read(message)
		if err != nil {
			t.Error(err)
		}
		return string(message[:n])
	}
	got := []string{heard(), heard()}
	m.notices.pause()
	say(NotifySocket, "STATUS=x")
	m.notices.passOn(nil)
	got = append(got, heard())
	m.notices.close()
	if diff := cmp.Diff([]string{"MAINPID=1", "READY=1", "STATUS=x"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPIDFilesAreWrittenOrRefuseTheStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pid")
	m := &monitor{req: &Request{PIDFile: file}}
	pids := Pids{Container: sys.Process{Pid: 12}}
	if err := m.writePIDFiles(pids); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "12\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	m.req.MonitorPIDFile = dir
	if err := m.writePIDFiles(pids); err == nil {
		t.Error("a directory was written")
	}
}
