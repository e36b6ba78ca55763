package helper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Wanted says which helper is wanted.
type Wanted struct {
	Kind   Kind
	RunDir string // mode 0700; it is made when missing
	// Name is what ps(1) shows. The run directory is the only argument.
	Name string
	// Program opens the program, which is closed here.
	Program func() (*os.File, error)
	// Files opens its descriptors from FirstFD on; close is for those that are not needed here any more. Nil opens none.
	Files func() (files []*os.File, close func(), err error)
	// Env is its environment.
	Env []string
	// Outlive, when not nil, is told the pid of a new one: it serves all of the user's containers and is not to end with
	// the unit or session that happened to start it.
	Outlive func(ctx context.Context, pid int)
	// Ask asks the one that runs, over a connection which it takes over. The error is ErrNone for one that is to be replaced.
	Ask func(ctx context.Context, conn *os.File) error
}

// The descriptors of a helper, after the standard ones: its standard error is its log.
const (
	ReadyFD = 3 + iota // where it writes Ready once it can be asked, or what is wrong
	FirstFD            // those of Wanted.Files
)

// Ensure returns when a helper has been asked. It starts one if none lives. Several may call it at once: one starts it, the others wait.
func (w *Wanted) Ensure(ctx context.Context) error {
	asked, _ := w.Kind.Pid(w.RunDir)
	none := w.ask(ctx)
	if !errors.Is(none, ErrNone) {
		return none
	}
	if err := os.MkdirAll(w.RunDir, 0o700); err != nil {
		return err
	}
	lock, err := sys.LockFile(w.Kind.LockName(w.RunDir), false)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	// Somebody may have started one meanwhile. The one that has been silent will be so again.
	if pid, _ := w.Kind.Pid(w.RunDir); pid != asked || !errors.Is(none, os.ErrDeadlineExceeded) {
		if err := w.ask(ctx); !errors.Is(err, ErrNone) {
			return err
		}
	}
	if err := w.clear(); err != nil {
		return err
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	return w.ask(ctx)
}

// ask asks the one that runs. One that was started where few files may be open, in a shell with a low ulimit -n perhaps, is replaced: it serves all of the
// user's containers.
func (w *Wanted) ask(ctx context.Context) error {
	if pid, ok := w.Kind.Pid(w.RunDir); ok && sys.Cramped(pid) {
		return fmt.Errorf("%w that may open enough files", ErrNone)
	}
	conn, err := w.Kind.Dial(w.RunDir)
	if err != nil {
		return err
	}
	return w.Ask(ctx, conn)
}

// clear ends a helper that does not answer, or not as it should, and waits until its sockets are closed.
func (w *Wanted) clear() error {
	old, err := sys.RecordedProcess(w.Kind.Record(w.RunDir))
	if err != nil {
		return nil //nolint:nilerr // there was none, or nobody knows it
	}
	if err := old.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return old.AwaitEnd(answerTimeout)
}

// start starts a helper, which outlives this process.
func (w *Wanted) start(ctx context.Context) error {
	log, err := os.OpenFile(w.Kind.Log(w.RunDir), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	child, ready, err := w.spawn(log)
	if err != nil {
		return err
	}
	defer ready.Close()
	if err := hear(ctx, ready); err != nil {
		killErr := child.Kill()
		_, waitErr := child.Wait()
		return errors.Join(err, killErr, waitErr)
	}
	if w.Outlive != nil {
		w.Outlive(ctx, child.Pid)
	}
	return nil
}

// spawn executes the program; ready is this side of ReadyFD.
func (w *Wanted) spawn(log *os.File) (child *sys.Child, ready *os.File, err error) {
	program, err := w.Program()
	if err != nil {
		return nil, nil, err
	}
	defer program.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	ready, theirs, err := sys.Pipe(false)
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	files := []*os.File{null, log, log, theirs}
	if w.Files != nil {
		more, closeFiles, err := w.Files()
		if err != nil {
			return nil, nil, errors.Join(err, ready.Close())
		}
		defer closeFiles()
		files = append(files, more...)
	}
	// What moss itself inherited, a pipe to its caller for example, would stay open for as long as the helper runs.
	if err := sys.CloseOnExecFrom(ReadyFD); err != nil {
		return nil, nil, errors.Join(err, ready.Close())
	}
	exe := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), program.Fd())
	child, err = sys.Spawn(exe, []string{w.Name, w.RunDir}, "/", w.Env, files, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return nil, nil, errors.Join(err, ready.Close())
	}
	return child, ready, nil
}

// Announce makes this process be found as the helper of a kind: it is asked on control.
func Announce(k Kind, runDir string) (control *os.File, err error) {
	_ = os.Remove(filepath.Join(runDir, k.Socket())) // a dead one's
	if err := sys.WriteProcess(k.Record(runDir), os.Getpid()); err != nil {
		return nil, err
	}
	return sys.ListenUnix(runDir, k.Socket())
}

// Withdraw makes it not be found any more. Where another has taken its place meanwhile, because the files were lost, they are that one's.
func Withdraw(k Kind, runDir string) error {
	if p, err := sys.RecordedProcess(k.Record(runDir)); err != nil || p.Pid != os.Getpid() {
		return nil //nolint:nilerr // it cannot be found
	}
	return errors.Join(os.Remove(filepath.Join(runDir, k.Socket())), os.Remove(k.Record(runDir)))
}
