package server

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hostResolvers are whom the host asks, and how: what resolv.conf(5) says, but for what is the asker's business, the
// search domains.
type hostResolvers struct {
	servers  []netip.Addr
	timeout  time.Duration
	attempts int
	rotate   bool
}

// The limits that resolv.conf(5) has, and its server where none is named.
const (
	maxServers      = 3
	defaultTimeout  = 5 * time.Second
	maxTimeout      = 30 // seconds
	defaultAttempts = 2
	maxAttempts     = 5
)

var localServer = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// readResolvConf reads a resolv.conf; one that cannot be read is as an empty one.
func readResolvConf(path string) hostResolvers {
	data, _ := os.ReadFile(path)
	h := parseResolvConf(string(data))
	if len(h.servers) == 0 {
		h.servers = []netip.Addr{localServer}
	}
	return h
}

func parseResolvConf(text string) hostResolvers {
	h := hostResolvers{timeout: defaultTimeout, attempts: defaultAttempts}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil && len(h.servers) < maxServers && !slices.Contains(h.servers, addr) {
				h.servers = append(h.servers, addr)
			}
		case "options":
			for _, option := range fields[1:] {
				h.set(option)
			}
		}
	}
	return h
}

func (h *hostResolvers) set(option string) {
	name, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	switch {
	case name == "rotate":
		h.rotate = true
	case err != nil || n < 1:
	case name == "timeout":
		h.timeout = time.Duration(min(n, maxTimeout)) * time.Second
	case name == "attempts":
		h.attempts = min(n, maxAttempts)
	}
}
