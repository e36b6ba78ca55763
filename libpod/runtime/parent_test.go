package runtime_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// monitorRole makes TestAContainerDiesWithItsMonitor the monitor that is killed.
const monitorRole = "MOSS_TEST_MONITOR"

func TestAContainerDiesWithItsMonitor(t *testing.T) {
	if os.Getenv(monitorRole) != "" {
		beMonitor(t)
		return
	}
	self, err := os.Executable()
	must(t, err)
	monitor := exec.Command(self, "-test.run=^TestAContainerDiesWithItsMonitor$")
	monitor.Env = append(os.Environ(), monitorRole+"=1", "TMPDIR="+t.TempDir())
	monitor.Stderr = os.Stderr
	out, err := monitor.StdoutPipe()
	must(t, err)
	must(t, monitor.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	must(t, monitor.Process.Kill())
	_ = monitor.Wait() // it was killed
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		must(t, err)
		var status syscall.WaitStatus
		_, err = syscall.Wait4(pid, &status, 0, nil) // it is an orphan, and ours
		must(t, err)
		if status.Signal() != syscall.SIGKILL {
			t.Errorf("container %d ended with %v, not by its monitor's death", pid, status)
		}
	}
}

// beMonitor starts two containers, the second in the first one's PID namespace, and waits to be killed.
func beMonitor(t *testing.T) {
	goruntime.LockOSThread()
	l := own(t)
	first := sleeper(t, l, "")
	second := sleeper(t, l, "/proc/"+itoa(first)+"/ns/pid")
	for range 50 { // threads that come and go are not the monitor
		must(t, sys.OnThread(func() error { return nil }))
	}
	must(t, errors.Join(syscall.Kill(first, 0), syscall.Kill(second, 0)))
	fmt.Println(second, first) // PID 1 ends only when all of its namespace have been collected
	time.Sleep(time.Minute)
}

func sleeper(t *testing.T, l runtime.Launcher, pids string) int {
	t.Helper()
	b := bundle(t, "exec sleep 1000")
	b.Spec.Linux.Namespaces[0].Path = pids
	p, err := create(l, encode(t, b), runtime.Stdio{}, nil)
	must(t, err)
	must(t, p.Start())
	return p.Pid()
}

func TestWhoMayMakeDevicesNeedsTheirRules(t *testing.T) {
	b := bundle(t, "true")
	b.Spec.Process.Capabilities.Bounding = []string{"CAP_MKNOD"}
	b.Spec.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
	if _, err := run(t, own(t), b); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("got %v, want that it is refused", err)
	}
}
