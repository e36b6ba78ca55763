package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/spec"
)

// publishedPorts are a container's ports with the host ports that a running one got.
func publishedPorts(c *state.Container) []spec.PortMapping {
	if c.State.Active() && len(c.State.Network.Ports) > 0 {
		return c.State.Network.Ports
	}
	return c.Spec.Ports
}

// portsOf writes ports that follow each other as a range.
func portsOf(c *state.Container) string {
	var list []string
	for ports := publishedPorts(c); len(ports) > 0; {
		n := 1
		for n < len(ports) && follows(ports[n-1], ports[n]) {
			n++
		}
		first, last := ports[0], ports[n-1]
		ports = ports[n:]
		inside := strconv.Itoa(int(first.ContainerPort))
		if n > 1 {
			first.HostEnd = last.HostPort
			inside += "-" + strconv.Itoa(int(last.ContainerPort))
		}
		list = append(list, fmt.Sprintf("%s->%s/%s", hostPort(first), inside, first.Protocol))
	}
	return strings.Join(list, ", ")
}

// follows says that the second mapping is the first one's, one port on.
func follows(p, next spec.PortMapping) bool {
	if p.HostPort == 0 || p.HostEnd != 0 {
		return false
	}
	p.HostPort, p.ContainerPort = p.HostPort+1, p.ContainerPort+1
	return p == next
}

// filterPorts matches containers that have one of the ports asked for, PORT[-END][/PROTOCOL].
func filterPorts(portsOf func(*state.Container) []string) filter.Match[*state.Container] {
	return func(value string) (func(*state.Container) bool, error) {
		asked, err := spec.ParseExposed(value)
		return func(c *state.Container) bool {
			return slices.ContainsFunc(portsOf(c), func(port string) bool { return slices.Contains(asked, port) })
		}, err
	}
}

// published are the ports of both ends: Docker looks at those of the host, its reference manual says those of the container.
func published(c *state.Container) []string {
	var list []string
	for _, p := range publishedPorts(c) {
		list = append(list, fmt.Sprintf("%d/%s", p.HostPort, p.Protocol), p.Exposed())
	}
	return list
}
