// Package gvisor is the uplink that moss carries: the program cmd/moss-uplink, which is gVisor's TCP/IP stack. The stack itself is in
// package netstack, which nothing else links.
package gvisor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// Name is the program's name.
const Name = "moss-uplink"

// Uplink is the program that moss carries.
type Uplink struct {
	// Program is the content of the file.
	Program func() ([]byte, error)
}

// Name is the program's name.
func (Uplink) Name() string { return Name }

// Find always finds it.
func (u Uplink) Find() (string, error) {
	if u.Program == nil {
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "moss-uplink is not in this program")
	}
	return "", nil
}

// Sound says that it is.
func (Uplink) Sound() bool { return true }

// Start makes the interface and starts the door-keeper (rootless/nsenter/door.c), which is in moss itself and starts the program while there is
// something to do. The program is a memory file: moss alone, copied to another machine, has nothing else to run.
func (u Uplink) Start(ctx context.Context, o uplink.Options) (*uplink.Link, error) {
	if _, err := u.Find(); err != nil {
		return nil, err
	}
	link := o.Plan(Name)
	from4, err := source(o.Outbound4, netip.Addr.Is4)
	if err != nil {
		return nil, uplink.Unavailable(Name, err)
	}
	from6, err := source(o.Outbound6, netip.Addr.Is6)
	if err != nil {
		return nil, uplink.Unavailable(Name, err)
	}
	data, err := u.Program()
	if err != nil {
		return nil, err
	}
	program, err := sys.SealedProgram(Name, data)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	rules, err := sys.FileRules()
	if err != nil {
		return nil, uplink.Unavailable(Name, err)
	}
	defer rules.Close() // none where there is no Landlock
	tap, err := makeTap(o.NetNS, link)
	if err != nil {
		return nil, uplink.Unavailable(Name, err)
	}
	defer tap.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{Name}, arguments(o, from4, from6)...)
	cmd.Env = []string{nsenter.EnvDoor + "=1"}
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	byteCame := func(said []byte) bool { return len(said) > 0 }
	link.Process, err = uplink.Start(ctx, cmd, o.Log, func(pipe *os.File) {
		cmd.ExtraFiles = []*os.File{o.NetNS, pipe, o.Exit, tap, program, rules} // the order of nsenter.h
	}, byteCame)
	if err != nil {
		return nil, err
	}
	link.NetNS = fmt.Sprintf("/proc/%d/fd/%d", link.Process.Pid, nsenter.DoorNetNS)
	return link, nil
}

// arguments are those that cmd/moss-uplink declares.
func arguments(o uplink.Options, from ...netip.Addr) []string {
	args := []string{
		"-tap=" + strconv.Itoa(nsenter.DoorTap), "-exit=" + strconv.Itoa(nsenter.DoorExit),
		"-mtu=" + strconv.Itoa(o.MTU), "-subnet=" + o.Subnet.String(),
	}
	if o.IPv6 {
		args = append(args, "-ipv6")
	}
	if o.HostLoopback {
		args = append(args, "-host-loopback")
	}
	for _, addr := range from {
		if addr.IsValid() {
			args = append(args, "-from="+addr.String())
		}
	}
	return args
}

// source is the address that is given, or the first fit one of the interface that is named; not valid where nothing is.
func source(given string, fits func(netip.Addr) bool) (netip.Addr, error) {
	if given == "" {
		return netip.Addr{}, nil
	}
	if addr, err := netip.ParseAddr(given); err == nil {
		return addr, nil
	}
	iface, err := net.InterfaceByName(given)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("cannot connect from %s: it is no address and no interface of this machine", given)
	}
	addrs, err := iface.Addrs()
	for _, a := range addrs {
		if p, parseErr := netip.ParsePrefix(a.String()); parseErr == nil && fits(p.Addr()) {
			return p.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("cannot connect from %s: the interface has no address of that family: %v", given, err)
}
