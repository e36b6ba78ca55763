package network_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/egress"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/sys"
)

// held connects a container with an egress list to networks until the test ends.
func (u *user) held(id string, list egress.List, networks ...*netconf.Network) *network.Attachment {
	u.t.Helper()
	r := u.request(id)
	for _, n := range networks {
		r.Connections = append(r.Connections, network.Connection{Network: n, Egress: []egress.List{list}})
	}
	return u.attachWith(r)
}

// refused fails unless a connection is refused at once, by anything but silence.
func refused(t *testing.T, from *network.Attachment, proto, to string) {
	t.Helper()
	var err error
	must(t, sys.InNetNS(from.NetNS, func() error {
		var conn net.Conn
		conn, err = net.DialTimeout(proto, to, 5*time.Second)
		if err != nil {
			return nil
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err = conn.Write([]byte("x")); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		return nil
	}))
	for _, want := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.EACCES, syscall.ECONNRESET, syscall.ENETUNREACH} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Errorf("%s %s is not refused: %v", proto, to, err)
}

// serve repeats what is sent to an address of a container until the test ends.
func serve(t *testing.T, in *network.Attachment, addr netip.Addr) netip.AddrPort {
	t.Helper()
	const port = 7000
	return netip.AddrPortFrom(addr, uint16(echo(t, in.NetNS, addr.String(), port)))
}

// answered fails unless both protocols answer.
func answered(t *testing.T, from *network.Attachment, to netip.AddrPort) {
	t.Helper()
	for _, proto := range []string{"tcp", "udp"} {
		must(t, sys.InNetNS(from.NetNS, func() error {
			conn, err := net.DialTimeout(proto, to.String(), 5*time.Second)
			if err != nil {
				t.Errorf("%s %s: %v", proto, to, err)
				return nil
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, err = conn.Write([]byte("x"))
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			if err != nil {
				t.Errorf("%s %s: %v", proto, to, err)
			}
			return nil
		}))
	}
}

func TestAContainerReachesWhomItsListHas(t *testing.T) {
	for _, internal := range []bool{false, true} {
		t.Run(fmt.Sprint("internal=", internal), func(t *testing.T) {
			u := newUser(t)
			n := u.makes(netconf.Network{Name: "front", IPv6Enabled: true, Internal: internal})
			other, free := u.on("other", n), u.on("free", n)
			list := egress.List{
				{Prefix: netip.PrefixFrom(v4(other.Endpoints[0]).Addr(), 32)},
				{Prefix: netip.PrefixFrom(v6(other.Endpoints[0]).Addr(), 128), First: 7000, Last: 7001},
			}
			held := u.held("held", list, n)
			for _, get := range []func(*network.Attachment) netip.Addr{
				func(a *network.Attachment) netip.Addr { return v4(a.Endpoints[0]).Addr() },
				func(a *network.Attachment) netip.Addr { return v6(a.Endpoints[0]).Addr() },
			} {
				answered(t, held, serve(t, other, get(other)))
				// Others reach it, by any address.
				answered(t, free, serve(t, held, get(held)))
				to := serve(t, free, get(free))
				answered(t, other, to)
				for _, proto := range []string{"tcp", "udp"} {
					refused(t, held, proto, to.String())
				}
			}
			refused(t, held, "tcp", netip.AddrPortFrom(v6(other.Endpoints[0]).Addr(), 7002).String())
			// The gateway has nothing for it but names.
			for _, g := range []netip.Addr{held.Endpoints[0].Gateway, held.Endpoints[0].Gateway6} {
				refused(t, held, "tcp", netip.AddrPortFrom(g, 22).String())
				refused(t, held, "udp", netip.AddrPortFrom(g, 123).String())
			}
			if !internal {
				for _, to := range []string{"10.0.2.2:22", "10.0.2.3:53", "192.0.2.1:443"} {
					refused(t, held, "tcp", to)
					refused(t, held, "udp", to)
				}
			}
		})
	}
}
