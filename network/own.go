package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/pasta"
	"github.com/mosscontainers/moss/network/slirp"
	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// ownUplink is the interface of a container with an uplink of its own, unless pasta gives it the name of the host's.
const ownUplink = "tap0"

// Own says whether a mode is a network of the container's own, by slirp4netns with options or by pasta. slirp4netns without
// options is the shared network: that saves a process, and is what people mean who have it from Podman's defaults.
func Own(mode string) bool {
	kind, _, has := strings.Cut(mode, ":")
	return kind == ModePasta || kind == ModeSlirp && has
}

// own gives the namespace an uplink of its own, which ends with Keep.
func (a *Attachment) own(ctx context.Context, r *Request) (err error) {
	if err := os.MkdirAll(r.RunDir, 0o700); err != nil {
		return err
	}
	// Both ends are of one pipe: the monitor holds the writing one until the container has ended.
	exit, keep, err := os.Pipe()
	if err != nil {
		return err
	}
	defer exit.Close()
	a.Keep = []*os.File{keep}
	link, err := startOwn(ctx, r, a.NetNS, exit)
	if err != nil {
		return err
	}
	a.Uplink = link.Process
	return a.describe(link, r)
}

// ReplaceOwn gives a container with a network of its own another uplink, where that was killed. keep is what the container's monitor
// keeps of Attachment.Keep.
func ReplaceOwn(ctx context.Context, r Request, netns, keep *os.File) (sys.Process, error) {
	exit, err := sys.OpenPipeReader(fmt.Sprintf("/proc/self/fd/%d", keep.Fd()))
	if err != nil {
		return sys.Process{}, fmt.Errorf("cannot open the pipe that ends the uplink: %w", err)
	}
	defer exit.Close()
	link, err := startOwn(ctx, &r, netns, exit)
	if err != nil {
		return sys.Process{}, err
	}
	return link.Process, nil
}

// startOwn starts the uplink of one namespace.
func startOwn(ctx context.Context, r *Request, netns, exit *os.File) (*uplink.Link, error) {
	log, err := os.CreateTemp(r.RunDir, "uplink.*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := os.Remove(log.Name()); err != nil {
		return nil, err
	}
	program, options, err := ownOptions(r.Mode)
	if err != nil {
		return nil, err
	}
	options.NetNS, options.Exit, options.Log = netns, exit, log
	link, err := program.Start(ctx, options)
	if err == nil && r.Outlive != nil {
		r.Outlive(ctx, link.Process.Pid)
	}
	return link, err
}

// ownOptions are what a mode asks for.
func ownOptions(mode string) (uplink.Uplink, uplink.Options, error) {
	kind, text, _ := strings.Cut(mode, ":")
	if kind == ModePasta {
		arguments, err := spec.ParsePasta(text)
		if err != nil {
			return nil, uplink.Options{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use network %s: %w", mode, err)
		}
		return pasta.Pasta{}, uplink.Options{Arguments: arguments, HostAddresses: true, IPv6: true}, nil
	}
	s, err := spec.ParseSlirp(text)
	if err == nil {
		err = errors.Join(checkSource("outbound_addr", s.Outbound), checkSource("outbound_addr6", s.Outbound6))
	}
	if err != nil {
		return nil, uplink.Options{}, errdefs.Errorf(errdefs.ErrInvalid, "cannot use network %s: %w", mode, err)
	}
	return slirp.Slirp{}, uplink.Options{
		Interface: ownUplink, MTU: s.MTU, Subnet: s.CIDR, IPv6: !s.DisableIPv6, HostLoopback: s.AllowHostLoopback,
		Outbound4: s.Outbound, Outbound6: s.Outbound6,
	}, nil
}

// checkSource says whether connections can come from an address, or an interface, of this machine.
func checkSource(option, source string) error {
	if source == "" {
		return nil
	}
	if _, err := netip.ParseAddr(source); err != nil {
		if _, err := net.InterfaceByName(source); err != nil {
			return fmt.Errorf("%s=%s: this machine has no interface of that name", option, source)
		}
		return nil
	}
	conn, err := net.ListenPacket("udp", net.JoinHostPort(source, "0"))
	if err != nil {
		return fmt.Errorf("%s=%s: this machine has no such address", option, source)
	}
	return conn.Close()
}

// describe is what the container got, and completes its namespace.
func (a *Attachment) describe(link *uplink.Link, r *Request) error {
	kind, _, _ := strings.Cut(r.Mode, ":")
	at := spec.Endpoint{
		Network: kind, Interface: link.Interface, Address: link.IPv4.Own, Gateway: link.IPv4.Gateway,
		Address6: link.IPv6.Own, Gateway6: link.IPv6.Gateway,
	}
	a.Resolvers, a.Host = []netip.Addr{link.IPv4.DNS}, link.Host
	return sys.InNetNS(a.NetNS, func() error {
		h, err := netlink.NewHandle(syscall.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		eth, err := h.LinkByName(link.Interface)
		if err != nil {
			return fmt.Errorf("cannot find the interface that %s made: %w", link.Uplink, err)
		}
		at.MAC = eth.Attrs().HardwareAddr.String()
		a.Endpoints = []spec.Endpoint{at}
		return prepare(h, r.Published)
	})
}
