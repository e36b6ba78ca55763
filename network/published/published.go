// Package published is what those agree on who prepare published ports, who bind them (package port), and who serve them (package
// port/forwarder). It is apart from them, because serving takes libraries that a quick command does not load.
package published

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Mark is the mark of the packets of published connections inside a container's network namespace, and the number
// of the routing table for the answers.
const Mark = 0x6d6f

// Ports is what a container's monitor is told of its ports, as JSON.
type Ports struct {
	Target
	// RunDir is the network's run directory, where the forwarder is found.
	RunDir   string             `json:"runDir"`
	Mappings []spec.PortMapping `json:"mappings"` // HostPort 0 is "choose one"
	// Last are the mappings of the container's last life: a port that was chosen then is chosen again if it can be had.
	Last []spec.PortMapping `json:"last,omitempty"`
}

// Target is where clients are passed on to.
type Target struct {
	Address  netip.Addr `json:"address"`  // the container's, IPv4; it may be without one
	Gateway  netip.Addr `json:"gateway"`  // stands for clients whose own address cannot be kept
	Address6 netip.Addr `json:"address6"` // the container's, IPv6; it may be without one
	Gateway6 netip.Addr `json:"gateway6"` // as Gateway
}

// Nowhere is the target in a container that begins on no network: the address of machines that have none of their own (RFC 7600, 4.8), and one of the same kind.
func Nowhere() Target {
	return Target{Address: netip.AddrFrom4([4]byte{192, 0, 0, 8}), Gateway: netip.AddrFrom4([4]byte{192, 0, 0, 1})}
}

// Batch is what a monitor tells the forwarder, as JSON, with descriptors: the container's network namespace, and a socket for each
// port, bound on the host. For each batch there is an answer (helper.Ready), and between answers there may be events. They are served until the connection ends.
type Batch struct {
	Target
	Ports []Port `json:"ports"` // at most MaxBatch
}

// Port is one of a container's.
type Port struct {
	Number   uint16 `json:"number"`
	Protocol string `json:"protocol"` // tcp or udp
}

// MaxBatch is how many sockets are sent at a time.
const MaxBatch = 15

// Event begins a line of the forwarder's that is one for the log: a port can take no connections.
const Event = "event "

// Program is the name of the forwarder's process.
const Program = "moss-ports"

// Forwarder says who serves the published ports of all of the user's containers.
type Forwarder struct {
	RunDir string // the network's run directory
	// Program opens the program, which is the monitor's: it is in memory already.
	Program func() (*os.File, error)
	// Outlive is told the pid of a new one: see helper.Wanted.
	Outlive func(ctx context.Context, pid int)
}

// Greet begins a connection to the forwarder, which must be of the caller's user namespace: it could not go to networks of another.
func Greet(ctx context.Context, conn *os.File) error {
	own, err := UserNamespace()
	if err != nil {
		return err
	}
	return helper.Ask(ctx, conn, own)
}

// UserNamespace names the caller's.
func UserNamespace() (string, error) { return os.Readlink("/proc/self/ns/user") }

// Hold returns a connection to the forwarder, which is started if none lives: it stays for as long as somebody has one.
func (f Forwarder) Hold(ctx context.Context) (held *os.File, err error) {
	wanted := helper.Wanted{
		Kind: helper.Ports, RunDir: f.RunDir, Name: Program, Program: f.Program, Outlive: f.Outlive,
		Ask: func(ctx context.Context, conn *os.File) error {
			if err := Greet(ctx, conn); err != nil {
				conn.Close()
				return err
			}
			held = conn
			return nil
		},
	}
	if err := wanted.Ensure(ctx); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot publish ports: %w", err)
	}
	return held, nil
}

// Crowded says of an error what to do when it is that this process may open no more files: each port is one.
func Crowded(err error) error {
	if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
		return err
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "%w; a process of yours may have %d, and each published port is one: publish fewer, or raise the limit (ulimit -n; nofile in limits.conf)", err, sys.MostDescriptors())
}
