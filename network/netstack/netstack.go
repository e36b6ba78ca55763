// Package netstack connects a network namespace with the outside by gVisor's TCP/IP stack: what the namespace sends comes in
// through a tap interface, and goes out through ordinary sockets of the host's. Only cmd/moss-uplink links it, as it is large.
package netstack

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// nic is the number of the only interface of the stack.
const nic tcpip.NICID = 1

// timeWait is how long a connection is remembered that has ended. Nothing is late on a tap; those of a busy minute would be 20 MB.
const timeWait = 5 * time.Second

// hardware is the gateway's address on the wire: locally administered, and the same whenever the program is started anew.
const hardware = tcpip.LinkAddress("\x02\x6d\x0a\x00\x02\x02")

// Options say what is connected and how; see uplink.Options.
type Options struct {
	Tap          *os.File // where the namespace's frames come out
	MTU          int
	IPv4         uplink.Addresses
	IPv6         uplink.Addresses // zero without IPv6
	HostLoopback bool
	From         []netip.Addr // that connections come from, one of a family; the others are the kernel's choice
	Woken        func()       // is called when something comes after Rest
}

// Stack serves a namespace.
type Stack struct {
	tap     *os.File
	stack   *stack.Stack
	streams *streams
	udp     *datagrams
	pings   *pings
	rest    *rest
}

// Start serves an interface. Whoever started the program has taken from it what can be taken before a program starts.
func Start(o Options) (*Stack, error) {
	if err := errors.Join(sys.ForbidCalls(), sys.SetNonDumpable()); err != nil {
		return nil, fmt.Errorf("cannot drop privileges: %w", err)
	}
	s := &Stack{tap: o.Tap, rest: newRest(o.Woken)}
	if err := s.serve(o, newOutside(o)); err != nil {
		return nil, fmt.Errorf("cannot serve the interface: %w", err)
	}
	return s, nil
}

// Close stops it.
func (s *Stack) Close() {
	s.udp.close()
	s.pings.close()
	s.stack.Destroy()
	s.tap.Close()
}

// Quiet says whether nobody has sent anything since it was asked last.
func (s *Stack) Quiet() bool { return s.rest.quiet() }

// Rest gives back what waiting does not need, until something comes.
func (s *Stack) Rest() { s.rest.rest() }

// Unused says whether no connection is open.
func (s *Stack) Unused() bool {
	return s.streams.active.Load() == 0 && !s.udp.active() && !s.pings.active() &&
		!slices.ContainsFunc(s.stack.RegisteredEndpoints(), unfinished)
}

// unfinished says whether something may still have to be said in a connection.
func unfinished(e stack.TransportEndpoint) bool {
	conn, ok := e.(*tcp.Endpoint)
	if !ok {
		return false
	}
	switch conn.EndpointState() {
	case tcp.StateTimeWait, tcp.StateClose, tcp.StateError:
		return false
	}
	return true
}

// serve attaches a stack to the tap. It takes whatever address somebody wants to reach for its own (promiscuous mode), and answers
// from there (spoofing).
func (s *Stack) serve(o Options, out *outside) error {
	link, err := fdbased.New(&fdbased.Options{
		FDs: []int{int(s.tap.Fd())}, MTU: uint32(o.MTU), EthernetHeader: true, Address: hardware,
		// What comes out of a tap never was on a wire.
		RXChecksumOffload: true,
	})
	if err != nil {
		return err
	}
	s.stack = newStack()
	s.udp = newDatagrams(s.stack, out)
	s.streams = newStreams(s.stack, out)
	s.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, s.streams.HandlePacket)
	s.stack.SetTransportProtocolHandler(udp.ProtocolNumber, s.udp.handle)
	s.pings = newPings(link, s.stack, out, s.rest)
	if err := s.stack.CreateNIC(nic, s.pings); err != nil {
		return fmt.Errorf("%s", err)
	}
	for _, a := range []uplink.Addresses{o.IPv4, o.IPv6} {
		if err := s.address(a); err != nil {
			return fmt.Errorf("%s", err)
		}
	}
	if err := s.stack.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("%s", err)
	}
	if err := s.stack.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("%s", err)
	}
	return nil
}

func newStack() *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
	})
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &wait} {
		s.SetTransportProtocolOption(tcp.ProtocolNumber, option)
	}
	return s
}

// address gives the stack the addresses of one family, and a route to the subnet.
func (s *Stack) address(a uplink.Addresses) tcpip.Error {
	if !a.Gateway.IsValid() {
		return nil
	}
	protocol := ipv4.ProtocolNumber
	if a.Gateway.Is6() {
		protocol = ipv6.ProtocolNumber
	}
	for _, addr := range []tcpip.Address{address(a.Gateway), address(a.DNS)} {
		err := s.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
			Protocol: protocol, AddressWithPrefix: addr.WithPrefix(),
		}, stack.AddressProperties{})
		if err != nil {
			return err
		}
	}
	whole := tcpip.AddressWithPrefix{Address: address(a.Own.Masked().Addr()), PrefixLen: a.Own.Bits()}
	s.stack.AddRoute(tcpip.Route{Destination: whole.Subnet(), NIC: nic})
	return nil
}
