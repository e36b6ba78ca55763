package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Options say which server is wanted.
type Options struct {
	// RunDir is the network's run directory: see Dir.
	RunDir string
	// NetNS is the user's network namespace, in which the bridges are.
	NetNS *os.File
	// ExitPipe is the path of a pipe: the server ends when nobody has it open for writing any more.
	ExitPipe string
	// Program is the content of the program moss-dns.
	Program func() ([]byte, error)
	// Outlive, when not nil, is told the pid of a new server: it serves all of the user's containers and is not to end with
	// the unit or session that happened to start it.
	Outlive func(ctx context.Context, pid int)
}

// The server's files in the run directory.
const (
	// SocketName is the socket on which it is asked to look at its files.
	SocketName = "dns.sock"
	// RecordName says which process it is (sys.ReadProcess).
	RecordName = "dns.pid"
	// LockName is held by whoever starts a server, and by a server that is about to end.
	LockName = "dns.lock"
	logName  = "dns.log"
)

// The server's descriptors.
const (
	ExitFD  = 3 + iota // reading end of the exit pipe
	NetNSFD            // the user's network namespace
	ReadyFD            // where it writes Ready, or what is wrong
)

// Ready is what the server says when it answers for everything that was written before it was asked, and Foreign what it says
// when its network namespace is another one: it is replaced then.
const (
	Ready   = "ready\n"
	Foreign = "foreign\n"
)

// answerTimeout is how long a server may take to answer; usually it is a millisecond. One that does not is replaced.
const answerTimeout = 5 * time.Second

// maxAnswer is more than any answer has.
const maxAnswer = 4096

// Pid is the process of the user's server; ok is false when none lives.
func Pid(runDir string) (pid int, ok bool) { return sys.ReadProcess(filepath.Join(runDir, RecordName)) }

// Ensure returns when the user's DNS server answers for everything that has been written. It starts one if none lives.
// Several may ask at once: one starts it, the others wait.
func Ensure(ctx context.Context, o Options) error {
	err := o.ask(ctx)
	if !errors.Is(err, errNoServer) {
		return explained(err)
	}
	lock, err := sys.LockFile(filepath.Join(o.RunDir, LockName), false)
	if err != nil {
		return explained(err)
	}
	defer lock.Unlock()
	err = o.ask(ctx)
	if !errors.Is(err, errNoServer) {
		return explained(err)
	}
	if err := o.clear(); err != nil {
		return explained(err)
	}
	return explained(o.start(ctx))
}

func explained(err error) error {
	if err == nil {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot serve the names of containers: %w", err)
}

// errNoServer says that there is no server to ask.
var errNoServer = errors.New("no DNS server runs")

// ask has the running server look at the files.
func (o Options) ask(ctx context.Context) error {
	conn, err := sys.DialUnix(o.RunDir, SocketName)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoServer, err)
	}
	defer conn.Close()
	id, err := sys.Inode(o.NetNS)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, id); err != nil {
		return fmt.Errorf("%w: %w", errNoServer, err)
	}
	return hear(ctx, conn)
}

// hear reads a server's answer.
func hear(ctx context.Context, conn *os.File) error {
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || len(answer) == 0 || string(answer) == Foreign:
		return fmt.Errorf("%w that answers: %w", errNoServer, errors.Join(err, io.ErrUnexpectedEOF))
	case string(answer) != Ready:
		return errors.New(strings.TrimSpace(string(answer)))
	}
	return nil
}

// clear ends a server that does not answer, or not for this namespace, and waits until its sockets are closed.
func (o Options) clear() error {
	pid, ok := Pid(o.RunDir)
	if !ok {
		return nil
	}
	old, err := sys.Identify(pid)
	if err != nil {
		return nil // it has ended
	}
	pidfd, err := old.Open()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pidfd.Close()
	if err := old.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_, err = sys.WaitExit(pidfd, answerTimeout)
	return err
}

// start starts a server, which outlives this process.
func (o Options) start(ctx context.Context) error {
	files, ready, err := o.files()
	if err != nil {
		return err
	}
	defer ready.Close()
	child, err := o.spawn(files)
	for _, f := range files {
		if f != o.NetNS {
			f.Close()
		}
	}
	if err != nil {
		return err
	}
	if err := hear(ctx, ready); err != nil {
		killErr := child.Kill()
		_, waitErr := child.Wait()
		return errors.Join(err, killErr, waitErr)
	}
	if o.Outlive != nil {
		o.Outlive(ctx, child.Pid)
	}
	return nil
}

// files are the server's descriptors from 0 on; ready is this side of ReadyFD.
func (o Options) files() (files []*os.File, ready *os.File, err error) {
	opened := func(f *os.File, openErr error) *os.File {
		err = errors.Join(err, openErr)
		return f
	}
	null := opened(os.OpenFile(os.DevNull, os.O_RDWR, 0))
	log := opened(os.OpenFile(filepath.Join(o.RunDir, logName), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600))
	exit := opened(sys.OpenPipeReader(o.ExitPipe))
	ready, theirs, pipeErr := sys.Pipe(false)
	err = errors.Join(err, pipeErr)
	files = []*os.File{null, log, log, exit, o.NetNS, theirs}
	if err == nil {
		return files, ready, nil
	}
	for _, f := range []*os.File{null, log, exit, ready, theirs} {
		if f != nil {
			f.Close()
		}
	}
	return nil, nil, err
}

// spawn executes the program from a memory file, which stays for as long as the server runs.
func (o Options) spawn(files []*os.File) (*sys.Child, error) {
	data, err := o.Program()
	if err != nil {
		return nil, err
	}
	program, err := sys.SealedProgram("moss-dns", data)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	// What moss itself inherited, a pipe to its caller for example, would stay open for as long as the server runs.
	if err := sys.CloseOnExecFrom(ExitFD); err != nil {
		return nil, err
	}
	exe := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), program.Fd())
	env := []string{"GOMAXPROCS=1"}
	return sys.Spawn(exe, []string{"moss-dns", o.RunDir}, "/", env, files, &syscall.SysProcAttr{Setsid: true})
}
