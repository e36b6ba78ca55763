package uplink

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// firstForeign is the first descriptor of moss that is not a standard one.
const firstForeign = 3

// readyTimeout is how long it may take to configure an interface: usually it is 20 ms, on a machine with far too much to do, many seconds.
const readyTimeout = time.Minute

// Start starts cmd and waits until it has written a line, or a single byte, to the writing end of the pipe that assign is given
// to hand to it. Anything that ready refuses, and the end of the process, is an error. What the process said is in log, or was written to
// the pipe.
func Start(ctx context.Context, cmd *exec.Cmd, log *os.File, assign func(pipe *os.File), ready func(line []byte) bool) (sys.Process, error) {
	name := cmd.Args[0]
	pipe, theirs, err := os.Pipe()
	if err != nil {
		return sys.Process{}, err
	}
	defer pipe.Close()
	assign(theirs)
	cmd.Dir = "/"
	// What moss itself inherited, a pipe to its caller for example, would stay open for as long as it runs.
	if err = sys.CloseOnExecFrom(firstForeign); err == nil {
		err = cmd.Start()
	}
	theirs.Close()
	if err != nil {
		return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: cannot start %s: %w", name, err)
	}
	said, err := await(ctx, pipe, ready)
	if err == nil {
		proc, err := sys.Identify(cmd.Process.Pid)
		if errors.Is(err, os.ErrProcessDone) {
			err = ErrKilled
		}
		return proc, errors.Join(err, cmd.Process.Release())
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && errors.Is(err, io.EOF) && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return sys.Process{}, ErrKilled // before we did
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: %s did not get ready within a minute; try again when this machine has less to do", name)
	}
	if logged, _ := io.ReadAll(io.NewSectionReader(log, 0, 1<<16)); len(said) == 0 {
		said = logged
	}
	if said := sentence(said); said != "" {
		return sys.Process{}, Unavailable(name, errors.New(said))
	}
	return sys.Process{}, errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: %s did not get ready: %w", name, err)
}

// ErrKilled is the error of an uplink that was killed before it was of use.
var ErrKilled = errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: the process for that was killed as soon as it was started; is there enough memory?")

// Unavailable is the error of the uplink name that cannot connect a namespace (ErrUnavailable).
func Unavailable(name string, why error) error {
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot connect to the network: %s: %w%s", name, why, advice())
}

// advice is what to do about what all uplinks need.
func advice() string {
	if sys.Exists("/dev/net/tun") {
		return ""
	}
	return "; as root: modprobe tun; or use --network host or --network none"
}

// await reads until ready is content, and returns all that was read. The end of file is io.EOF.
func await(ctx context.Context, pipe *os.File, ready func([]byte) bool) (said []byte, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(readyTimeout)
	}
	if err := pipe.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = pipe.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 4096)
	for {
		n, err := pipe.Read(buf)
		said = append(said, buf[:n]...)
		if ready(said) {
			return said, nil
		}
		if err != nil {
			return said, err
		}
	}
}

// sentence makes one line of what a program wrote, without what it says whether it starts or not.
func sentence(said []byte) string {
	var lines []string
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Usage:") {
			break // what is wrong comes before
		}
		if line != "" && !strings.HasPrefix(line, "WARNING:") && !strings.HasSuffix(line, " bytes to syslog") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
