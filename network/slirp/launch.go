package slirp

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// patience is how long slirp4netns may take to come up on a busy host.
const patience = 10 * time.Second

// The descriptors of the process, after the standard ones.
const (
	readyFD = "3"
	exitFD  = "4"
)

// launch starts the process in a session of its own, with no descriptor of ours, and waits until it is ready.
func (c Config) launch(ctx context.Context, program string) (pid int, err error) {
	exit, err := os.OpenFile(c.ExitPipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, err
	}
	defer exit.Close()
	ready, readyEnd, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	log, err := os.OpenFile(c.path("log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		readyEnd.Close()
		return 0, err
	}
	defer log.Close()
	cmd := exec.Command(program, "--netns-type=path", "--configure", "--mtu=65520", "--disable-host-loopback",
		"--enable-sandbox", "--enable-seccomp", "--ready-fd="+readyFD, "--exit-fd="+exitFD, c.NetNS, "tap0")
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.ExtraFiles = []*os.File{readyEnd, exit}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// What moss itself inherited open would else stay open as long as the process lives.
	err = sys.CloseOnExecFrom(3)
	if err == nil {
		err = cmd.Start()
	}
	readyEnd.Close()
	if err != nil {
		return 0, fmt.Errorf("cannot start %s: %w", program, err)
	}
	if err = c.await(ctx, ready); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // only to collect it
		return 0, err
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release()
}

// await reads the byte that says it is ready; an end without it is a death, explained in the log.
func (c Config) await(ctx context.Context, ready *os.File) error {
	deadline := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := ready.SetReadDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })
	defer stop()
	if n, err := ready.Read(make([]byte, 1)); n == 1 {
		return nil
	} else if os.IsTimeout(err) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("slirp4netns was not ready after %s: %s", patience, c.lastWords())
	}
	return fmt.Errorf("slirp4netns failed: %s", c.lastWords())
}

// lastWords are the last line of the log.
func (c Config) lastWords() string {
	b, _ := os.ReadFile(c.path("log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}
