package port

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/spec"
)

// by says which process has a port, as far as this user may know: ", by nginx (process 123)" or ", by container 0123456789ab (process 123)". What processes
// outside of the user's namespace have open cannot be seen from inside, only whose it is.
func by(m spec.PortMapping) string {
	sockets, own := socketsAt(m.Protocol, m.HostPort)
	if len(sockets) == 0 {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !slices.Contains(sockets, target) {
			continue
		}
		process, _, _ := strings.Cut(strings.TrimPrefix(fd, "/proc/"), "/")
		if name := processName(process); name != "" {
			return ", by " + name + " (process " + process + ")"
		}
	}
	if own {
		return ", by a process of yours: ss -lntup shows which"
	}
	return ", by another user's process"
}

// processName is how a user knows a process; a monitor is known by its container. It is "" for a process that ended, and for the forwarder, which
// has the ports of all monitors.
func processName(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/cmdline")
	argv := strings.Split(string(data), "\x00")
	if err != nil || argv[0] == "" || argv[0] == published.Program {
		return ""
	}
	name := filepath.Base(argv[0])
	if name == "moss-monitor" && len(argv) > 1 {
		return fmt.Sprintf("container %.12s", argv[1])
	}
	return name
}

// socketsAt names the bound sockets with a local port, as links in /proc/PID/fd do. The tables are those
// of proc_net(5): the second field is the local address, the fourth the state, the eighth the user, the tenth the inode. own says that one is this user's.
func socketsAt(proto string, number uint16) (found []string, own bool) {
	const listening, unconnected = "0A", "07"
	self := strconv.Itoa(os.Getuid())
	for _, table := range []string{proto, proto + "6"} {
		data, err := os.ReadFile("/proc/thread-self/net/" + table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || (fields[3] != listening && fields[3] != unconnected) {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if local, err := strconv.ParseUint(hex, 16, 16); err == nil && local == uint64(number) {
				found = append(found, "socket:["+fields[9]+"]")
				own = own || fields[7] == self
			}
		}
	}
	return found, own
}
