package netconf

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// The options that a network may have.
const (
	OptionMTU            = "mtu"              // bytes
	OptionIsolate        = "isolate"          // true, false, strict
	OptionMetric         = "metric"           // of the default route
	OptionNoDefaultRoute = "no_default_route" // true, false

	dockerMTU    = "com.docker.network.driver.mtu"
	dockerBridge = "com.docker.network.bridge.name"
)

// optionNames are the options that are known.
const optionNames = OptionMTU + ", " + OptionIsolate + ", " + OptionMetric + ", " + OptionNoDefaultRoute + ", " + dockerMTU + ", " + dockerBridge

// checkOption says whether an option is known, and may have the value.
func checkOption(key, value string) (known, ok bool) {
	switch key {
	case OptionMTU, dockerMTU:
		ok = isMTU(value)
	case OptionIsolate:
		ok = value == "strict" || isBool(value)
	case OptionMetric:
		_, err := strconv.ParseUint(value, 10, 31)
		ok = err == nil
	case OptionNoDefaultRoute:
		ok = isBool(value)
	case dockerBridge:
		ok = checkInterface(value) == nil
	default:
		return false, false
	}
	return true, ok
}

func isBool(v string) bool {
	_, err := strconv.ParseBool(v)
	return err == nil
}

// isMTU has the bounds of IPv4: a host must take 68 bytes (RFC 791).
func isMTU(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= 68 && n <= 65535
}

// checkOptions refuses what would be ignored.
func (n *Network) checkOptions() error {
	for _, key := range slices.Sorted(maps.Keys(n.Options)) {
		known, ok := checkOption(key, n.Options[key])
		switch {
		case key == "vlan":
			return invalid(n, "the option vlan needs a real interface, which a network of a user does not have; leave it out")
		case !known:
			return invalid(n, "there is no option %q; there are %s", key, optionNames)
		case !ok:
			return invalid(n, "%q is no value for the option %s", n.Options[key], key)
		}
	}
	return nil
}

// firstVeth begins the names of the cables to containers: see package network.
const firstVeth = "veth"

// checkInterface says whether a bridge may have this name, which has the kernel's rules (dev_valid_name).
func checkInterface(name string) error {
	const ifnamsiz = 16
	switch {
	case name == "" || len(name) >= ifnamsiz || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\r\v\f"):
		return plain("an interface's name has at most 15 characters, and no '/', ':' or space")
	case name == "lo" || name == DefaultInterface || strings.HasPrefix(name, "tap") || strings.HasPrefix(name, firstVeth):
		return plain("the interface name %q is taken; choose another", name)
	}
	return nil
}

func plain(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}

// invalid is the sentence for a network that cannot be.
func invalid(n *Network, format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, "cannot make network %q: %w", n.Name, plain(format, args...))
}
