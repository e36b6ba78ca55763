package rootless

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/scope"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless/nsenter"
)

// takeOver makes a holder of what remains from one that was killed, or of new namespaces. Who still has something may end
// meanwhile.
func (n *Namespace) takeOver(ctx context.Context, member int) error {
	for try := 1; ; try++ {
		old := n.remains(member)
		err := n.hold(ctx, old)
		if err == nil || old.fresh() || try == maxTries {
			return err
		}
	}
}

// hold starts the holder, of what remains from one that was killed or of new namespaces, and records it.
func (n *Namespace) hold(ctx context.Context, old remains) error {
	if err := host.Suffices(); err != nil {
		return err
	}
	kept, err := n.kept(old)
	if err != nil {
		return err
	}
	defer closeAll(kept)
	ours, theirs, err := sys.SocketPair()
	if err != nil {
		return err
	}
	defer ours.Close()

	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"moss-holder"}
	cmd.Env = append(old.environment(), envHolder+"="+n.HolderFile())
	if linger := os.Getenv("MOSS_LINGER"); linger != "" {
		cmd.Env = append(cmd.Env, envLinger+"="+linger)
	}
	cmd.ExtraFiles = append([]*os.File{theirs}, kept...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("cannot start the namespace's holder: %w", err)
	}
	if err := n.initialise(ctx, cmd.Process.Pid, old.fresh(), ours); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	// It serves all of the user's containers, and is not to end with the unit or the session that this one belongs to.
	// Where there is no systemd it stays.
	_ = scope.Put(ctx, HostUID(), cmd.Process.Pid, scope.Engine)
	return nil
}

// kept are the holder's descriptors in the order of nsenter.h: users.lock, the monitor program, and both ends of the pipe.
func (n *Namespace) kept(old remains) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
		}
	}()
	keep := func(f *os.File, err error) error {
		if err == nil {
			files = append(files, f)
		}
		return err
	}
	if err := keep(os.OpenFile(filepath.Join(n.Dir, "users.lock"), os.O_RDWR|os.O_CREATE, 0o600)); err != nil {
		return files, fmt.Errorf("cannot open the user namespace's lock: %w", err)
	}
	if err := keep(n.program(old)); err != nil {
		return files, err
	}
	r, w, err := old.pipe()
	if err != nil {
		return files, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return append(files, r, w), nil
}

// program is the monitor program in a sealed memory file: that of a living monitor, as all who run the same file share its
// pages, or a new one.
func (n *Namespace) program(old remains) (*os.File, error) {
	if old.program != "" {
		if f, err := os.Open(old.program); err == nil {
			return f, nil
		}
	}
	program, err := n.Program()
	if err != nil {
		return nil, err
	}
	return sys.SealedProgram(n.programName(), program)
}

// initialise maps the ids of a holder whose user namespace is fresh, lets it go on, and records it.
func (n *Namespace) initialise(ctx context.Context, pid int, fresh bool, holder *os.File) error {
	var b [1]byte
	if _, err := holder.Read(b[:]); err != nil {
		return fmt.Errorf("cannot make a user namespace: its holder ended: %w", err)
	}
	if b[0] != 'u' {
		return explain(syscall.Errno(b[0]))
	}
	if fresh {
		mappings, err := Configured(ctx, HostUID(), HostGID())
		if err != nil {
			return err
		}
		if err := mappings.write(ctx, pid); err != nil {
			return err
		}
	}
	if _, err := holder.Write([]byte{'m'}); err != nil {
		return fmt.Errorf("cannot reach the namespace's holder: %w", err)
	}
	// End of file: it is root in there, and closed its side.
	if _, err := holder.Read(b[:]); err == nil {
		return errors.New("cannot make a user namespace: its holder answered out of turn")
	}
	if _, err := sys.Identify(pid); err != nil {
		return errors.New("cannot make a user namespace: its holder could not become root in it")
	}
	if err := n.record(pid); err != nil {
		return fmt.Errorf("cannot record the user namespace: %w", err)
	}
	return nil
}

// record writes down who the holder is, and what the kernel calls that which it keeps: see remains.
func (n *Namespace) record(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid)
	var names []string
	for _, path := range []string{proc + "/ns/user", proc + "/ns/net", holderFD(pid, nsenter.HolderExit)} {
		name, err := os.Readlink(path)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	return sys.WriteProcess(n.HolderFile(), pid, names...)
}

// closeAll closes what has nothing to lose.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
