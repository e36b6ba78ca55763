package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/network/slirp"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Request says which container to attach, and to what.
type Request struct {
	ContainerID string
	// UserNetNS is the path of the user's network namespace; "" is the host's, for real root.
	UserNetNS string
	// ExitPipe is the path of a pipe that is at its end once the user's namespace is given up: slirp4netns
	// ends with it. Not used without UserNetNS.
	ExitPipe string
	// Dir keeps leases, locks and what is known of slirp4netns. It lies beside the containers' run
	// directories, whose absence makes a lease stale, and on a file system that a reboot clears.
	Dir string
	// Publish says that ports will be published: the namespace is made ready to show servers their
	// client's address.
	Publish bool
}

// Attachment is a container's place in the network.
type Attachment struct {
	// NetNS is the container's namespace, complete; the caller closes it.
	NetNS     *os.File
	Interface string // eth0
	MAC       net.HardwareAddr
	Address   netip.Prefix
	Gateway   netip.Addr
	// Host is an address by which the container reaches the host; invalid where there is none.
	Host netip.Addr
	// Nameservers answer in the container.
	Nameservers []netip.Addr
	// Cleanup are files to unlink once the container has ended.
	Cleanup []string
	// Warnings are sentences for the user.
	Warnings []string
}

// Attach makes a container's network namespace and connects it. What it made goes away when NetNS is closed,
// its processes have ended and Cleanup is unlinked; a lease that nobody unlinked is taken back once
// the container's run directory is gone. slirp4netns missing is errdefs.ErrUnavailable.
func Attach(ctx context.Context, req Request) (*Attachment, error) {
	a, err := attach(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("cannot connect container %.12s to the network: %w", req.ContainerID, err)
	}
	return a, nil
}

func attach(ctx context.Context, req Request) (*Attachment, error) {
	if err := os.MkdirAll(filepath.Join(req.Dir, leasesDir), 0o700); err != nil {
		return nil, err
	}
	user, err := openUserNetwork(req)
	if err != nil {
		return nil, err
	}
	defer user.close()
	if err = user.ensureBridge(); err != nil {
		return nil, err
	}
	a := &Attachment{Interface: "eth0", Gateway: user.gateway.Addr()}
	if err = connectOutside(ctx, req, a); err != nil {
		return nil, err
	}
	lease, err := takeLease(req, user.gateway)
	if err != nil {
		return nil, err
	}
	a.Address, a.Cleanup = netip.PrefixFrom(lease.address, user.gateway.Bits()), []string{lease.path}
	a.MAC = macOf(lease.address)
	if err = user.plug(a, req.Publish); err != nil {
		return nil, errors.Join(err, os.Remove(lease.path))
	}
	return a, nil
}

// connectOutside sees to the way out of the user's network and tells what is reachable by it.
func connectOutside(ctx context.Context, req Request, a *Attachment) error {
	if req.UserNetNS == "" {
		a.Host = a.Gateway
		servers, err := reachableNameservers()
		a.Nameservers = servers
		return err
	}
	a.Nameservers = []netip.Addr{slirp.Nameserver}
	a.Host = hostAddress()
	return slirp.Ensure(ctx, slirp.Config{NetNS: req.UserNetNS, ExitPipe: req.ExitPipe, Dir: req.Dir})
}

// hostAddress is the address from which the host reaches others: slirp4netns reaches it too, but not the
// host's loopback. Connecting a datagram socket sends nothing.
func hostAddress() netip.Addr {
	conn, err := net.Dial("udp4", "192.0.2.1:9") // RFC 5737: nobody's
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}

// macOf derives a locally administered hardware address, so that whoever gets an address again finds
// neighbours' caches right.
func macOf(a netip.Addr) net.HardwareAddr {
	ip := a.As4()
	return net.HardwareAddr{0x02, 0x42, ip[0], ip[1], ip[2], ip[3]}
}

// openNetNS opens the user's namespace, "" being the caller's.
func openNetNS(path string) (*os.File, error) {
	if path == "" {
		path = "/proc/thread-self/ns/net"
	}
	return os.Open(path)
}

// lock serialises set-up in dir.
func lock(dir string) (*sys.Lock, error) { return sys.LockFile(filepath.Join(dir, "lock"), false) }
