// Moss-uplink connects a network namespace with the outside, on machines where slirp4netns and pasta are not installed; moss
// starts it. See package netstack.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/mosscontainers/moss/network/gvisor"
	"github.com/mosscontainers/moss/network/netstack"
	"github.com/mosscontainers/moss/network/uplink"
)

func main() {
	o := netstack.Options{NetNS: os.NewFile(gvisor.NetNSFD, "netns")}
	subnet, ipv6 := "", false
	flag.StringVar(&o.Interface, "interface", "tap0", "name of the interface in the namespace")
	flag.IntVar(&o.MTU, "mtu", uplink.MTU, "of the interface")
	flag.StringVar(&subnet, "subnet", uplink.Subnet.String(), "IPv4 network")
	flag.BoolVar(&ipv6, "ipv6", false, "serve IPv6 too")
	flag.BoolVar(&o.HostLoopback, "host-loopback", false, "lead the gateway's address to the host's loopback")
	flag.StringVar(&o.Outbound4, "outbound4", "", "address or interface that IPv4 connections come from")
	flag.StringVar(&o.Outbound6, "outbound6", "", "address or interface that IPv6 connections come from")
	flag.Parse()
	if err := run(o, subnet, ipv6); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until the pipe of the exit descriptor has no writer left.
func run(o netstack.Options, subnet string, ipv6 bool) error {
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil {
		return err
	}
	o.IPv4 = uplink.In(prefix)
	if ipv6 {
		o.IPv6 = uplink.In(uplink.Subnet6)
	}
	exit, ready := os.NewFile(gvisor.ExitFD, "exit"), os.NewFile(gvisor.ReadyFD, "ready")
	stack, err := netstack.Start(o)
	if err != nil {
		return err
	}
	if _, err := ready.Write([]byte{1}); err != nil {
		return fmt.Errorf("cannot say that it is ready: %w", err)
	}
	ready.Close()
	_, err = io.Copy(io.Discard, exit)
	stack.Close()
	return err
}
