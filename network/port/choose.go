package port

import (
	"iter"
	"net"
	"net/netip"
	"strings"

	"github.com/mosscontainers/moss/pkg/spec"
)

// candidates are the host ports to try for a mapping, in order, and the errors of not finding one: those that are left to
// choose begin with the one that was chosen last, and that of the sibling.
func candidates(m spec.PortMapping, last []spec.PortMapping, sibling uint16) iter.Seq2[uint16, error] {
	return func(yield func(uint16, error) bool) {
		if !open(m) {
			yield(m.HostPort, nil)
			return
		}
		if old := chosen(m, last); old != 0 && !yield(old, nil) {
			return
		}
		if sibling != 0 && !yield(sibling, nil) {
			return
		}
		if m.HostEnd != 0 {
			for number := int(m.HostPort); number <= int(m.HostEnd); number++ {
				if !yield(uint16(number), nil) {
					return
				}
			}
			return
		}
		const tries = 16 // somebody may take a port between our choice and our bind
		for range tries {
			if !yield(freePort(network(m), m.HostIP)) {
				return
			}
		}
	}
}

// chosen is the port that was chosen for a mapping last, 0 without.
func chosen(m spec.PortMapping, last []spec.PortMapping) uint16 {
	for _, old := range last {
		same := old.ContainerPort == m.ContainerPort && old.Protocol == m.Protocol && old.HostIP == m.HostIP
		if same && (m.HostEnd == 0 || old.HostPort >= m.HostPort && old.HostPort <= m.HostEnd) {
			return old.HostPort
		}
	}
	return 0
}

// sibling is the port that was chosen for what is asked for at i on another address, 0 without: who publishes a port on several addresses, as
// default_host_ips of containers.conf says it, expects one number.
func sibling(asked, bound []spec.PortMapping, i int) uint16 {
	for at, m := range asked[:i] {
		m.HostIP = asked[i].HostIP
		if m == asked[i] && open(m) {
			return bound[at].HostPort
		}
	}
	return 0
}

// network is where a port is bound, as package net calls it: for one address, which may stand for all of its kind, on that kind
// only; else on both.
func network(m spec.PortMapping) string {
	addr, err := netip.ParseAddr(m.HostIP)
	switch {
	case err != nil:
		return m.Protocol
	case addr.Is4():
		return m.Protocol + "4"
	}
	return m.Protocol + "6"
}

// freePort lets the kernel choose a port.
func freePort(network, ip string) (uint16, error) {
	at := net.JoinHostPort(ip, "0")
	if strings.HasPrefix(network, "udp") {
		conn, err := net.ListenPacket(network, at)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		return uint16(conn.LocalAddr().(*net.UDPAddr).Port), nil
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return uint16(ln.Addr().(*net.TCPAddr).Port), nil
}
