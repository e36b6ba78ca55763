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

// by says which process has a port, as far as this process may know: ", by nginx (process 123)" or ", by container 0123456789ab (process 123)".
func by(m spec.PortMapping) string {
	sockets := socketsAt(m.Protocol, m.HostPort)
	if len(sockets) == 0 {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !slices.ContainsFunc(sockets, func(s socket) bool { return s.link == target }) {
			continue
		}
		process, _, _ := strings.Cut(strings.TrimPrefix(fd, "/proc/"), "/")
		if name := processName(process); name != "" {
			return ", by " + name + " (process " + process + ")"
		}
	}
	return whose(sockets[0], m.Protocol)
}

// whose says of a socket that no process is seen to have whose it is, and how to see more. From inside of a user namespace nobody may look at the
// descriptors of processes outside of it, its user's own neither (ptrace(2)); the tables of sockets have users.
func whose(s socket, protocol string) string {
	look := "ss -ltnp"
	if protocol == "udp" {
		look = "ss -lunp"
	}
	if s.uid == strconv.Itoa(os.Getuid()) {
		return ", by a process of yours outside of moss: " + look + " shows which"
	}
	return ", by a process of another user: " + look + ", as root, shows which"
}

// socket is one that is bound.
type socket struct {
	link string // of descriptors in /proc/PID/fd
	uid  string // as this user namespace has it
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

// socketsAt are the bound sockets with a local port. The tables are those of proc_net(5): the second field is the local address, the fourth the
// state, the eighth the user, the tenth the inode.
func socketsAt(proto string, number uint16) []socket {
	const listening, unconnected = "0A", "07"
	var found []socket
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
				found = append(found, socket{link: "socket:[" + fields[9] + "]", uid: fields[7]})
			}
		}
	}
	return found
}
