// Package network connects containers. All containers of a user hang on bridges, one for each network, in one network
// namespace of the user, each by a veth pair, and that namespace has one uplink: so a container costs a
// millisecond and no process of its own.
//
// No list of leases is kept. The host's end of a container's veth pair is named after the container's
// address; the kernel refuses a second link of that name, and removes the link with the container's
// namespace, however that ends. So addresses are unique and come back by themselves. (An IPv6 address is a second
// name of the link.)
package network

import (
	"context"
	"net/netip"
	"os"

	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// The modes that Attach knows. The others (container:ID) share a namespace, and there is nothing to make.
const (
	ModeNone   = "none"
	ModeHost   = "host"
	ModeBridge = "bridge"      // the default
	ModeSlirp  = "slirp4netns" // the default network; with options, a network of the container's own
	ModePasta  = "pasta"       // a network of the container's own
)

// Interface is the name of a container's first interface.
const Interface = "eth0"

// Request says which container is to be connected, and how.
type Request struct {
	ContainerID string
	Mode        string // "" is ModeBridge
	// Connections are those that ModeBridge makes; nil is the default network.
	Connections []Connection
	// UserNetNS is the path of the user's network namespace, kept by the holder of the user's namespaces. ""
	// is for real root, which has no holder: then the uplink keeps the namespace, and Attachment.Keep the uplink.
	UserNetNS string
	// ExitPipe is the path of a pipe that the holder has open: when nobody has it open for writing, the uplink ends.
	ExitPipe string
	// Uplink says which program connects the namespace with the outside.
	Uplink Choice
	// RunDir is a directory of the user (mode 0700) on a tmpfs. It is made when missing.
	RunDir string
	// Outlive, when not nil, is told the pid of a new uplink: it serves all of the user's containers and is not to end
	// with the unit or session that happened to start it.
	Outlive func(ctx context.Context, pid int)
	// NetNS is the container's namespace, fresh from NewNetNS; nil with ModeHost and ModeNone. It is the Attachment's once there is one.
	NetNS *os.File
	// Published says that ports of the container are published: answers to clients of package port
	// are then routed back to it.
	Published bool
}

// Attachment is what a container got. Closing the files is all the clean-up there is.
type Attachment struct {
	NetNS     *os.File        // Request.NetNS
	Endpoints []spec.Endpoint // one for each connection
	// Resolvers is where names are asked for in a network of the container's own, and Host where it finds the host; not valid when that
	// is at its own address.
	Resolvers []netip.Addr
	Host      netip.Addr
	// Keep must stay open while the container lives: the user's network namespace, which nothing else may keep once the
	// holder was killed, and the pipe with which the uplink ends when nobody has it open any more.
	Keep []*os.File
	// Uplink is the process that serves a network of the container's own.
	Uplink sys.Process

	rules rulebook
}

// Close closes the files.
func (a *Attachment) Close() {
	for _, f := range append(a.Keep, a.NetNS) {
		if f != nil {
			f.Close()
		}
	}
}

// NeedsNetNS says whether Attach connects a namespace in this mode.
func NeedsNetNS(mode string) bool { return mode != ModeHost && mode != ModeNone }

// NewNetNS makes a network namespace, in which nothing is up.
func NewNetNS() (netns *os.File, err error) {
	err = sys.OnThread(func() (err error) {
		netns, err = sys.UnshareNet()
		return err
	})
	return netns, err
}

// Attach connects a container's network namespace, starting the uplink when it does not run.
func Attach(ctx context.Context, r Request) (*Attachment, error) {
	a := &Attachment{NetNS: r.NetNS}
	var err error
	switch {
	case r.Mode == ModeHost:
	case r.Mode == ModeNone: // whoever makes the container gives it a namespace with nothing but a loopback interface
	case r.Mode == "", r.Mode == ModeBridge, r.Mode == ModeSlirp:
		err = a.join(ctx, &r)
	case Own(r.Mode):
		err = a.own(ctx, &r)
	default:
		err = errdefs.Errorf(errdefs.ErrInvalid, "cannot use network %q: use the name of a network, none, host or container:NAME", r.Mode)
	}
	if err != nil {
		a.NetNS = nil
		a.Close()
		return nil, err
	}
	return a, nil
}

// join connects the namespace to the bridges of the user's.
func (a *Attachment) join(ctx context.Context, r *Request) error {
	user, pipe, err := r.userNamespace(ctx)
	a.Keep = []*os.File{user, pipe}
	if err != nil {
		return err
	}
	if r.Connections == nil {
		r.Connections = []Connection{{Network: netconf.Default()}}
	}
	return a.plug(user, r, true)
}

// userNamespace opens the user's network namespace, whose uplink lives.
func (r *Request) userNamespace(ctx context.Context) (netns, keep *os.File, err error) {
	if err := os.MkdirAll(r.RunDir, 0o700); err != nil {
		return nil, nil, err
	}
	return r.uplink().ensure(ctx)
}
