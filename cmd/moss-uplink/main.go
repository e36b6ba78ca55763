// Moss-uplink connects a network namespace with the outside. The door-keeper that moss starts (rootless/nsenter/door.c) runs it when
// the namespace sends something; it ends when nobody has anything to say. See package netstack.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/mosscontainers/moss/network/netstack"
	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// How long nobody must have said anything for the program to end. While connections are open that say nothing, it makes itself small, and looks
// less and less often.
const firstPause, lastPause = 5 * time.Second, 5 * time.Minute

func main() {
	_ = sys.SetThreadName("moss-uplink") // it would be the number of the program's descriptor
	var o netstack.Options
	subnet, ipv6, tap, exit := "", false, 0, 0
	flag.IntVar(&tap, "tap", 0, "descriptor of the interface")
	flag.IntVar(&exit, "exit", 0, "descriptor of a pipe: without writers nobody needs the program any more")
	flag.IntVar(&o.MTU, "mtu", uplink.MTU, "of the interface")
	flag.StringVar(&subnet, "subnet", uplink.Subnet.String(), "IPv4 network")
	flag.BoolVar(&ipv6, "ipv6", false, "serve IPv6 too")
	flag.BoolVar(&o.HostLoopback, "host-loopback", false, "lead the gateway's address to the host's loopback")
	flag.Func("from", "address that connections come from", func(value string) error {
		addr, err := netip.ParseAddr(value)
		o.From = append(o.From, addr)
		return err
	})
	flag.Parse()
	o.Tap = os.NewFile(uintptr(tap), "tap")
	if err := run(o, subnet, ipv6, os.NewFile(uintptr(exit), "exit")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until nobody needs it.
func run(o netstack.Options, subnet string, ipv6 bool, exit *os.File) error {
	prefix, err := netip.ParsePrefix(subnet)
	if err != nil {
		return err
	}
	o.IPv4 = uplink.In(prefix)
	if ipv6 {
		o.IPv6 = uplink.In(uplink.Subnet6)
	}
	if exit, err = sys.Pollable(exit); err != nil {
		return err
	}
	o.Woken = func() { _ = exit.SetReadDeadline(time.Now().Add(firstPause)) } // it has one already
	stack, err := netstack.Start(o)
	if err != nil {
		return err
	}
	for pause := firstPause; ; {
		if err := exit.SetReadDeadline(time.Now().Add(pause)); err != nil {
			return err
		}
		if pause > firstPause {
			stack.Rest()
		}
		if _, err := exit.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			stack.Close()
			return nil
		}
		switch {
		case !stack.Quiet():
			pause = firstPause
		case stack.Unused():
			return nil // at once: what comes now is the next one's
		default:
			pause = min(2*pause, lastPause)
		}
	}
}
