package network

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// ResolvConfInput is what a container's /etc/resolv.conf is made of.
type ResolvConfInput struct {
	// Host is the host's resolv.conf: see HostResolvConf.
	Host []byte
	// Nameservers are those of the Attachment; none leaves the host's own.
	Nameservers []netip.Addr
	// DNS, Search and Options are the user's and replace everything else of their kind. Search "." is none.
	DNS, Search, Options []string
}

// ResolvConf writes a container's /etc/resolv.conf (resolv.conf(5)).
func ResolvConf(in ResolvConfInput) []byte {
	host := parseResolvConf(in.Host)
	servers := host.nameservers
	if len(in.Nameservers) > 0 {
		servers = nil
		for _, a := range in.Nameservers {
			servers = append(servers, a.String())
		}
	}
	search, options := host.search, host.options
	if len(in.DNS) > 0 {
		servers = in.DNS
	}
	if len(in.Search) > 0 {
		search = slices.DeleteFunc(slices.Clone(in.Search), func(s string) bool { return s == "." })
	}
	if len(in.Options) > 0 {
		options = in.Options
	}
	var b bytes.Buffer
	line(&b, "search", search)
	for _, s := range servers {
		line(&b, "nameserver", []string{s})
	}
	line(&b, "options", options)
	return b.Bytes()
}

// HostResolvConf reads the host's resolv.conf; a host without one has none.
func HostResolvConf() ([]byte, error) {
	b, err := os.ReadFile("/etc/resolv.conf")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

type resolvConf struct{ nameservers, search, options []string }

// parseResolvConf reads what resolv.conf(5) knows: the last search or domain line counts, options add up.
func parseResolvConf(b []byte) (c resolvConf) {
	for text := range strings.Lines(string(b)) {
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			c.nameservers = append(c.nameservers, fields[1])
		case "search", "domain":
			c.search = fields[1:]
		case "options":
			c.options = append(c.options, fields[1:]...)
		}
	}
	return c
}

func line(b *bytes.Buffer, keyword string, values []string) {
	if len(values) > 0 {
		b.WriteString(keyword + " " + strings.Join(values, " ") + "\n")
	}
}

// reachableNameservers are the host's, without those on its loopback, which a container on a bridge cannot reach. A host
// whose only one is systemd-resolved's stub keeps the real ones in a second file.
func reachableNameservers() ([]netip.Addr, error) {
	for _, path := range []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"} {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		var servers []netip.Addr
		for _, text := range parseResolvConf(b).nameservers {
			if a, err := netip.ParseAddr(text); err == nil && a.Is4() && !a.IsLoopback() {
				servers = append(servers, a)
			}
		}
		if len(servers) > 0 {
			return servers, nil
		}
	}
	return nil, nil
}
