// Package gvisor is the uplink that moss carries, for machines where no other is installed: the program cmd/moss-uplink, which
// is gVisor's TCP/IP stack. The stack itself is in package netstack, which nothing else links.
package gvisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Name is the program's name.
const Name = "moss-uplink"

// The program's descriptors, in the order of ExtraFiles. They are slirp4netns' too.
const (
	NetNSFD = 3 + iota
	ReadyFD
	ExitFD
)

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

// Start starts it, from a memory file: moss alone, copied to another machine, has nothing else to run.
func (u Uplink) Start(ctx context.Context, o uplink.Options) (*uplink.Link, error) {
	if _, err := u.Find(); err != nil {
		return nil, err
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
	link := o.Plan(Name)
	cmd := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), program.Fd()), arguments(o)...)
	cmd.Args[0] = Name
	cmd.Stdout, cmd.Stderr = o.Log, o.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	byteCame := func(said []byte) bool { return len(said) > 0 }
	link.Process, err = uplink.Start(ctx, cmd, o.Log, func(pipe *os.File) {
		cmd.ExtraFiles = []*os.File{o.NetNS, pipe, o.Exit}
	}, byteCame)
	if err != nil {
		return nil, err
	}
	link.NetNS = fmt.Sprintf("/proc/%d/fd/%d", link.Process.Pid, NetNSFD)
	return link, nil
}

// arguments are those that cmd/moss-uplink declares.
func arguments(o uplink.Options) []string {
	args := []string{"-interface=" + o.Interface, "-mtu=" + strconv.Itoa(o.MTU), "-subnet=" + o.Subnet.String()}
	if o.IPv6 {
		args = append(args, "-ipv6")
	}
	if o.HostLoopback {
		args = append(args, "-host-loopback")
	}
	if o.Outbound4 != "" {
		args = append(args, "-outbound4="+o.Outbound4)
	}
	if o.Outbound6 != "" {
		args = append(args, "-outbound6="+o.Outbound6)
	}
	return args
}
