// Package slirp starts slirp4netns, a TCP/IP stack in user space that needs no privilege: the uplink of a
// user's network namespace. Its own network is 10.0.2.0/24.
package slirp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// DNS is where slirp4netns answers names, asking whom the host's /etc/resolv.conf names at that moment.
var DNS = netip.AddrFrom4([4]byte{10, 0, 2, 3})

// The child's descriptors, in the order of ExtraFiles.
const (
	netnsFD = 3 + iota
	readyFD
	exitFD
)

// firstForeign is the first descriptor of moss that is not a standard one.
const firstForeign = 3

// readyTimeout is how long it may take to configure its interface; usually it is 20 ms.
const readyTimeout = 10 * time.Second

// Options say what slirp4netns connects and how long.
type Options struct {
	NetNS     *os.File // the namespace to connect
	Exit      *os.File // reading end of a pipe: slirp4netns ends when no writer is left
	Interface string   // the name of its interface in NetNS
	MTU       int
	Log       string // path of a file for its messages, overwritten
}

// NetNS is the path by which others find the namespace that the slirp4netns with this pid connects.
func NetNS(pid int) string { return fmt.Sprintf("/proc/%d/fd/%d", pid, netnsFD) }

// Start starts slirp4netns and returns when the interface is configured. The process outlives its parent.
func Start(ctx context.Context, o Options) (sys.Process, error) {
	program, err := exec.LookPath("slirp4netns")
	if err != nil {
		return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable,
			"cannot connect to the network: slirp4netns is not installed; install it (apt install slirp4netns), or use --network host or --network none")
	}
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return sys.Process{}, err
	}
	defer log.Close()
	ready, theirs, err := os.Pipe()
	if err != nil {
		return sys.Process{}, err
	}
	defer ready.Close()
	cmd := command(program, o)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{o.NetNS, theirs, o.Exit}
	// What moss itself inherited, a pipe to its caller for example, would stay open for as long as it runs.
	if err = sys.CloseOnExecFrom(firstForeign); err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		return sys.Process{}, fmt.Errorf("cannot start slirp4netns: %w", err)
	}
	return await(ctx, cmd, ready, o.Log)
}

func command(program string, o Options) *exec.Cmd {
	cmd := exec.Command(program, "--configure", "--mtu="+strconv.Itoa(o.MTU), "--disable-host-loopback",
		"--enable-sandbox", "--enable-seccomp", "--netns-type=path",
		"--ready-fd="+strconv.Itoa(readyFD), "--exit-fd="+strconv.Itoa(exitFD),
		"/proc/self/fd/"+strconv.Itoa(netnsFD), o.Interface)
	cmd.Dir = "/"
	// Its sandbox unmounts everything it sees. Go makes the mounts of a new namespace private, slirp4netns only the
	// root's: where systemd shares all mounts, root would take /sys/fs/cgroup and /dev/pts from the whole machine.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	return cmd
}

// await waits until slirp4netns says that it is ready, which is one byte, or has ended.
func await(ctx context.Context, cmd *exec.Cmd, ready *os.File, log string) (sys.Process, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(readyTimeout)
	}
	err := ready.SetReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err == nil {
		_, err = io.ReadFull(ready, make([]byte, 1))
	}
	if err == nil {
		proc, err := sys.Identify(cmd.Process.Pid)
		return proc, errors.Join(err, cmd.Process.Release())
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	said, _ := os.ReadFile(log)
	if said = bytes.TrimSpace(said); len(said) > 0 {
		return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: slirp4netns: %s", said)
	}
	return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: slirp4netns did not get ready: %w", err)
}
