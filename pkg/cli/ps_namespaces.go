package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/format"
)

// namespaceTable are the columns of --ns, which are Podman's.
var namespaceTable = []string{"ID", "Names", "Pid", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS"}

// namespaceColumns are the namespaces of a container that runs, by the kernel's numbers: namespaces(7).
func namespaceColumns() []format.Column[*state.Container] {
	kinds := []struct{ name, header, file string }{
		{"CGROUPNS", "CGROUPNS", "cgroup"},
		{"IPC", "IPC", "ipc"},
		{"MNT", "MNT", "mnt"},
		{"NET", "NET", "net"},
		{"PIDNS", "PIDNS", "pid"},
		{"USERNS", "USERNS", "user"},
		{"UTS", "UTS", "uts"},
	}
	columns := make([]format.Column[*state.Container], len(kinds))
	for i, k := range kinds {
		columns[i] = format.Column[*state.Container]{
			Name: k.name, Header: k.header, Value: func(c *state.Container) any { return namespaceOf(c, k.file) },
		}
	}
	return columns
}

// namespaceOf is the number of a namespace, "" where there is none to be seen.
func namespaceOf(c *state.Container, file string) string {
	pid := pidOf(c)
	if pid == 0 {
		return ""
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, file))
	if err != nil {
		return ""
	}
	_, number, _ := strings.Cut(strings.TrimSuffix(link, "]"), "[")
	return number
}
