package spec

import (
	"cmp"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Naming is what the container knows by name, and by which files.
type Naming struct {
	DNS        []string `json:"dns,omitempty"` // addresses; or none: resolv.conf is the image's
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
	AddHosts   []string `json:"addHosts,omitempty"` // NAME:IP
	NoHosts    bool     `json:"noHosts,omitempty"`  // /etc/hosts is the image's
	// HostsFile is what /etc/hosts begins with: HostsFileNone, HostsFileImage, the path of a file of the host's; "" is localhost.
	HostsFile string `json:"hostsFile,omitempty"`
	// HostIP is the address of host.containers.internal, or none; "" is the one that leads to the host.
	HostIP string `json:"hostIP,omitempty"`
}

// The words for [Naming.HostsFile].
const (
	HostsFileNone  = "none"
	HostsFileImage = "image"
)

func (n *Naming) addFlags(fs *pflag.FlagSet) {
	addCommaList(fs, &n.DNS, "dns", "`address` of a name server, or none to leave resolv.conf as the image has it", parseDNS)
	addCommaList(fs, &n.DNSSearch, "dns-search", "`domain` to search names in", verbatim)
	addCommaList(fs, &n.DNSOptions, "dns-option", "`option` for resolv.conf", verbatim)
	addCommaList(fs, &n.DNSOptions, "dns-opt", "alias of --dns-option", verbatim)
	fs.Lookup("dns-opt").Hidden = true
	addCommaList(fs, &n.AddHosts, "add-host", "a line for /etc/hosts: `NAME:IP`", parseAddHost)
	fs.BoolVar(&n.NoHosts, "no-hosts", false, "leave /etc/hosts as the image has it")
	addFlag(fs, "hosts-file", "", "string", "", "what /etc/hosts begins with: a `file` of the host's, image, or none (default localhost only)", func(s string) (err error) {
		if n.HostsFile = s; s != "" && s != HostsFileNone && s != HostsFileImage {
			n.HostsFile, err = filepath.Abs(s)
		}
		return err
	})
}

// settle takes over what the description leaves open.
func (n *Naming) settle(d *Naming) {
	for _, list := range []struct{ given, from *[]string }{
		{&n.DNS, &d.DNS}, {&n.DNSSearch, &d.DNSSearch}, {&n.DNSOptions, &d.DNSOptions},
	} {
		if len(*list.given) == 0 {
			*list.given = *list.from
		}
	}
	asksForHosts := n.HostsFile != "" || len(n.AddHosts) > 0
	n.NoHosts = n.NoHosts || d.NoHosts && !asksForHosts
	n.HostIP = cmp.Or(n.HostIP, d.HostIP)
	if n.HostsFile == "" && !n.NoHosts {
		n.HostsFile = d.HostsFile
	}
}

func parseDNS(s string) (string, error) {
	if s == NetworkNone {
		return s, nil
	}
	if _, err := netip.ParseAddr(s); err != nil {
		return s, invalid("dns", s, "want an IP address")
	}
	return s, nil
}

func parseAddHost(s string) (string, error) {
	name, ip, ok := strings.Cut(strings.Replace(s, "=", ":", 1), ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t\n") {
		return s, invalid("add-host", s, "want NAME:IP")
	}
	ip = strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if ip == "host-gateway" {
		return name + ":" + ip, nil
	}
	if _, err := netip.ParseAddr(ip); err != nil {
		return s, invalid("add-host", s, "%q is not an IP address", ip)
	}
	return name + ":" + ip, nil
}

func (n *Naming) validate() error {
	for _, s := range n.DNS {
		if _, err := parseDNS(s); err != nil {
			return err
		}
	}
	if len(n.DNS) > 1 && slices.Contains(n.DNS, NetworkNone) {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --dns none together with another name server: leave out one of them")
	}
	for flag, words := range map[string][]string{"dns-search": n.DNSSearch, "dns-option": n.DNSOptions} {
		for _, s := range words {
			if s == "" || strings.ContainsAny(s, " \t\n\r") {
				return invalid(flag, s, "a word of resolv.conf cannot be empty or contain a space")
			}
		}
	}
	if n.NoHosts && n.HostsFile != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --hosts-file with --no-hosts: leave out one of them")
	}
	if n.NoHosts && len(n.AddHosts) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --add-host with --no-hosts: leave out one of them")
	}
	if err := checkHostsFile(n.HostsFile); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(n.HostIP); err != nil && n.HostIP != "" && n.HostIP != NetworkNone {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use host_containers_internal_ip = %q: want an IP address, or none", n.HostIP)
	}
	for _, s := range n.AddHosts {
		if _, err := parseAddHost(s); err != nil {
			return err
		}
	}
	return nil
}

func checkHostsFile(s string) error {
	if s == "" || s == HostsFileNone || s == HostsFileImage || path.IsAbs(s) {
		return nil
	}
	return invalid("hosts-file", s, "want none, image, or the absolute path of a file")
}

// NoResolver says that the container's resolv.conf is the image's.
func (n *Naming) NoResolver() bool { return len(n.DNS) == 1 && n.DNS[0] == NetworkNone }
