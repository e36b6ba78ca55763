// Package slirp is the uplink slirp4netns.
package slirp

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Name is the program's name.
const Name = "slirp4netns"

// The child's descriptors, in the order of ExtraFiles.
const (
	netnsFD = 3 + iota
	readyFD
	exitFD
)

// Slirp is slirp4netns.
type Slirp struct{}

// Name is the program's name.
func (Slirp) Name() string { return Name }

// Find looks for it in PATH.
func (Slirp) Find() (string, error) {
	path, err := exec.LookPath(Name)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "slirp4netns is not installed; install it (apt install slirp4netns)")
	}
	return path, nil
}

// Sound says that every version is.
func (Slirp) Sound() bool { return true }

// Start starts it.
func (s Slirp) Start(ctx context.Context, o uplink.Options) (*uplink.Link, error) {
	program, err := s.Find()
	if err != nil {
		return nil, err
	}
	link := o.Plan(Name)
	if o.IPv6 {
		if err := sys.InNetNS(o.NetNS, noAutoconf); err != nil {
			return nil, err
		}
	}
	cmd := command(program, o)
	byteCame := func(said []byte) bool { return len(said) > 0 }
	link.Process, err = uplink.Start(ctx, cmd, o.Log, func(pipe *os.File) {
		cmd.ExtraFiles = []*os.File{o.NetNS, pipe, o.Exit}
	}, byteCame)
	if err != nil {
		return nil, err
	}
	if err := sys.RaiseDescriptors(link.Process.Pid); err != nil { // each connection is one
		return nil, fmt.Errorf("cannot let slirp4netns open as many files as it may: %w", err)
	}
	link.NetNS = fmt.Sprintf("/proc/%d/fd/%d", link.Process.Pid, netnsFD)
	if o.IPv6 {
		err = sys.InNetNS(o.NetNS, func() error { return addIPv6(link) })
	}
	return link, err
}

func command(program string, o uplink.Options) *exec.Cmd {
	cmd := exec.Command(program, "--configure", "--mtu="+strconv.Itoa(o.MTU), "--cidr="+o.Subnet.String(),
		"--enable-sandbox", "--enable-seccomp", "--netns-type=path",
		"--ready-fd="+strconv.Itoa(readyFD), "--exit-fd="+strconv.Itoa(exitFD))
	cmd.Args[0] = Name
	if !o.HostLoopback {
		cmd.Args = append(cmd.Args, "--disable-host-loopback")
	}
	if o.IPv6 {
		cmd.Args = append(cmd.Args, "--enable-ipv6")
	}
	if o.Outbound4 != "" {
		cmd.Args = append(cmd.Args, "--outbound-addr="+o.Outbound4)
	}
	if o.Outbound6 != "" {
		cmd.Args = append(cmd.Args, "--outbound-addr6="+o.Outbound6)
	}
	cmd.Args = append(cmd.Args, o.Arguments...)
	cmd.Args = append(cmd.Args, "/proc/self/fd/"+strconv.Itoa(netnsFD), o.Interface)
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	// Its sandbox unmounts everything it sees. Go makes the mounts of a new namespace private, slirp4netns only the
	// root's: where systemd shares all mounts, root would take /sys/fs/cgroup and /dev/pts from the whole machine.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	return cmd
}

// noAutoconf keeps interfaces to come from taking an address of slirp4netns' choice: it advertises itself as a router, and
// the kernel would take its time over duplicates.
func noAutoconf() error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_ra", []byte("0"), 0)
}

// addIPv6 gives the interface its address and a route: slirp4netns itself configures IPv4 only. The calling thread is in the namespace.
func addIPv6(link *uplink.Link) error {
	tap, err := netlink.LinkByName(link.Interface)
	if err != nil {
		return err
	}
	own := link.IPv6.Own
	err = netlink.AddrAdd(tap, &netlink.Addr{
		IPNet: &net.IPNet{IP: own.Addr().AsSlice(), Mask: net.CIDRMask(own.Bits(), 128)},
		Flags: syscall.IFA_F_NODAD,
	})
	if err == nil {
		err = netlink.RouteAdd(&netlink.Route{LinkIndex: tap.Attrs().Index, Gw: link.IPv6.Gateway.AsSlice()})
	}
	if err != nil {
		return fmt.Errorf("cannot give %s its IPv6 address: %w", link.Interface, err)
	}
	return nil
}
