// Package pasta is the uplink pasta, of the package passt. It is served by what the version of March 2023 had already, which
// is Debian 12's, and is told nothing that later ones have given up.
package pasta

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Name is the program's name.
const Name = "pasta"

// Pasta is pasta.
type Pasta struct{}

// Name is the program's name.
func (Pasta) Name() string { return Name }

// Find looks for it in PATH.
func (Pasta) Find() (string, error) {
	path, err := exec.LookPath(Name)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "pasta is not installed; install it (apt install passt)")
	}
	return path, nil
}

// Sound looks for an option of August 2024. The version of March 2023 lets clients wait that nobody listens to, and repeats itself
// to one that has ended its side of a connection.
func (p Pasta) Sound() bool {
	program, err := p.Find()
	if err != nil {
		return false
	}
	help, err := exec.Command(program, "--help").CombinedOutput()
	return err == nil && bytes.Contains(help, []byte("--map-guest-addr"))
}

// Start starts it.
//
// Later versions close every descriptor but the standard ones at once, and older ones cannot open what is another process's once
// they have dropped their capabilities. So its standard input is the namespace, its standard output, to which it writes nothing, the
// pipe that ends it, and its standard error another pipe, to which it is asked to write its pid when it is ready. That it goes on
// without a reader there is no matter: it ignores SIGPIPE.
func (p Pasta) Start(ctx context.Context, o uplink.Options) (*uplink.Link, error) {
	program, err := p.Find()
	if err != nil {
		return nil, err
	}
	link := o.Plan(Name)
	args := common(o)
	if o.HostAddresses {
		link = &uplink.Link{Uplink: Name}
		args = append(args, p.ownArguments(o, link)...)
	} else {
		args = append(args, planned(o, link)...)
	}
	cmd := exec.Command(program, args...)
	cmd.Args[0] = Name
	cmd.Stdin, cmd.Stdout = o.NetNS, o.Exit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	link.Process, err = uplink.Start(ctx, cmd, o.Log, func(pipe *os.File) { cmd.Stderr = pipe }, saysPid)
	if err != nil {
		return nil, err
	}
	link.NetNS = fmt.Sprintf("/proc/%d/fd/0", link.Process.Pid)
	if err := sys.KillAtEnd(o.Exit, link.Process.Pid); err != nil {
		return nil, fmt.Errorf("cannot tie pasta to the namespace that it serves: %w", err)
	}
	if o.HostAddresses {
		return link, sys.InNetNS(o.NetNS, func() error { return look(link) })
	}
	if o.IPv6 && !assigned(o.NetNS, link) {
		link.IPv6 = uplink.Addresses{} // it wants more of the host than a route, and says nothing when that is missing
	}
	return link, nil
}

// assigned says whether the interface has the IPv6 address.
func assigned(netns *os.File, link *uplink.Link) (has bool) {
	_ = sys.InNetNS(netns, func() error {
		iface, err := net.InterfaceByName(link.Interface)
		if err != nil {
			return err
		}
		addrs, err := iface.Addrs()
		has = slices.ContainsFunc(addrs, func(a net.Addr) bool { return a.String() == link.IPv6.Own.String() })
		return err
	})
	return has
}

// saysPid looks for a line that is a number: everything else are messages.
func saysPid(said []byte) bool {
	for line := range bytes.Lines(said) {
		if _, err := strconv.Atoi(string(bytes.TrimSuffix(line, []byte("\n")))); err == nil && bytes.HasSuffix(line, []byte("\n")) {
			return true
		}
	}
	return false
}

// common are the arguments that say how it runs.
func common(o uplink.Options) []string {
	args := []string{
		"--foreground", "--quiet", "--pid", "/proc/self/fd/2", "--netns", "/proc/self/fd/0", "--no-netns-quit", "--runas", "0:0",
		"--config-net",
	}
	if o.Interface != "" {
		args = append(args, "--ns-ifname", o.Interface)
	}
	return args
}

// planned are the arguments for what every uplink serves.
func planned(o uplink.Options, link *uplink.Link) []string {
	args := []string{
		"--mtu", strconv.Itoa(o.MTU),
		"--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none",
	}
	if !o.HostLoopback {
		args = append(args, "--no-map-gw")
	}
	args = append(args, family(link.IPv4)...)
	args = append(args, "--netmask", strconv.Itoa(link.IPv4.Own.Bits()))
	if o.IPv6 {
		args = append(args, family(link.IPv6)...)
	} else {
		args = append(args, "--ipv4-only")
	}
	for _, outbound := range []string{o.Outbound4, o.Outbound6} {
		if outbound != "" {
			args = append(args, "--outbound", outbound)
		}
	}
	return append(args, o.Arguments...)
}

func family(a uplink.Addresses) []string {
	return []string{"--address", a.Own.Addr().String(), "--gateway", a.Gateway.String(), "--dns-forward", a.DNS.String()}
}
