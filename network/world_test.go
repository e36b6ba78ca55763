package network_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Addresses of the made-up world: the host's, and those of another machine, which is its way to the outside.
const (
	hostIPv4, farIPv4 = "203.0.113.1", "203.0.113.9"
	hostIPv6, farIPv6 = "2001:db8:1::1", "2001:db8:1::9"
)

// world is a made-up host, with a cable to another machine. The uplinks of a test run there, so that it may be given what the real one
// may lack.
type world struct {
	t         *testing.T
	host, far *os.File
	resolv    string // the file that is its resolv.conf
}

func newWorld(t *testing.T, ipv6 bool) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	w.host, err = network.NewNetNS()
	must(t, err)
	t.Cleanup(func() { w.host.Close() })
	w.far, err = network.NewNetNS()
	must(t, err)
	t.Cleanup(func() { w.far.Close() })
	must(t, sys.InNetNS(w.far, func() error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "wire", MTU: 65520}, PeerName: "wire", PeerMTU: 65520,
			PeerNamespace: netlink.NsFd(int(w.host.Fd())),
		}
		return errors.Join(netlink.LinkAdd(veth), equip(ipv6, farIPv4, farIPv6, "", ""))
	}))
	must(t, w.onHost(func() error { return equip(ipv6, hostIPv4, hostIPv6, farIPv4, farIPv6) }))
	if ipv6 { // the kernel adds the address for the wire itself when it has seen the other end
		eventually(t, "a link-local address of the host", func() (ok bool) {
			must(t, w.onHost(func() error {
				wire, err := net.InterfaceByName("wire")
				if err != nil {
					return err
				}
				addrs, err := wire.Addrs()
				ok = strings.Contains(fmt.Sprint(addrs), "fe80:")
				return err
			}))
			return ok
		})
	}
	w.resolvers("nameserver " + hostIPv4 + "\n")
	return w
}

// equip configures the interfaces in the namespace of the calling thread.
func equip(ipv6 bool, ipv4Addr, ipv6Addr, ipv4Gateway, ipv6Gateway string) error {
	wire, err := netlink.LinkByName("wire")
	if err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	errs := []error{netlink.LinkSetUp(lo), netlink.LinkSetUp(wire)}
	add := func(addr string, bits int, gateway string) {
		ip := net.ParseIP(addr)
		family := 8 * len(ip)
		if ip4 := ip.To4(); ip4 != nil {
			ip, family = ip4, 32
		}
		ipnet := &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, family)}
		errs = append(errs, netlink.AddrAdd(wire, &netlink.Addr{IPNet: ipnet, Flags: syscall.IFA_F_NODAD}))
		if gateway != "" {
			errs = append(errs, netlink.RouteAdd(&netlink.Route{LinkIndex: wire.Attrs().Index, Gw: net.ParseIP(gateway)}))
		}
	}
	add(ipv4Addr, 24, ipv4Gateway)
	if ipv6 {
		add(ipv6Addr, 64, ipv6Gateway)
	}
	return errors.Join(errs...)
}

func (w *world) onHost(fn func() error) error { return sys.InNetNS(w.host, fn) }

// resolvers is the content of the host's resolv.conf until the test ends, or until it is called again.
func (w *world) resolvers(content string) {
	w.t.Helper()
	if w.resolv != "" { // an uplink may have mounts of its own: it would not see another
		must(w.t, os.WriteFile(w.resolv, []byte(content), 0o644))
		return
	}
	w.resolv = filepath.Join(w.t.TempDir(), "resolv.conf")
	must(w.t, os.WriteFile(w.resolv, []byte(content), 0o644))
	out, err := exec.Command("mount", "--bind", w.resolv, "/etc/resolv.conf").CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	w.t.Cleanup(func() { _ = exec.Command("umount", "/etc/resolv.conf").Run() })
}

// echo serves TCP and UDP at an address of a namespace: what comes in goes back. It returns the port of both.
func echo(t *testing.T, ns *os.File, addr string, port int) int {
	t.Helper()
	var ln *net.TCPListener
	var pc *net.UDPConn
	must(t, sys.InNetNS(ns, func() (err error) {
		ip := net.ParseIP(addr)
		if ln, err = net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Port: port}); err == nil {
			pc, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip, Port: ln.Addr().(*net.TCPAddr).Port})
		}
		return err
	}))
	t.Cleanup(func() { ln.Close(); pc.Close() })
	go echoStreams(ln)
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := pc.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_, _ = pc.WriteToUDP(buf[:n], from)
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func echoStreams(ln *net.TCPListener) {
	for {
		conn, err := ln.AcceptTCP()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 1<<16)
			for {
				n, err := conn.Read(buf)
				if err == nil {
					_, err = conn.Write(buf[:n])
				}
				if err != nil {
					return
				}
			}
		}()
	}
}
