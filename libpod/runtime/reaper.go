package runtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// birthOfReaper is that of PID 1 of a container with Bundle.Init: our own program again, but with nothing left of the
// privileges of a stage. The descriptor of the control socket stays open across, so that it can tell how the command
// started. Among others' processes that is a pipe to the stage.
func (s *stage) birthOfReaper(b *sys.Birth) (err error) {
	control := s.socket
	if s.pids != nil {
		if s.socket, err = sys.MoveFrom(s.socket, moreFD+s.more); err != nil {
			return err
		}
		if s.reaperSays, control, err = os.Pipe(); err != nil {
			return err
		}
		defer control.Close()
	}
	if err := sys.Replace(controlFD, control); err != nil && !isErrno(err, syscall.EINVAL) {
		return err
	}
	if err := sys.KeepOnExec(controlFD); err != nil {
		return err
	}
	args := append([]string{stageReaper, strconv.Itoa(s.more)}, s.proc.Args...)
	return b.ProgramFile(s.program, args, s.proc.Env, listenPID)
}

// awaitReaper passes on what the reaper says, and waits until it says no more: its command runs then.
func (s *stage) awaitReaper() error {
	if s.reaperSays == nil {
		return nil
	}
	if err := os.NewFile(controlFD, "the reaper's").Close(); err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(s.reaperSays, maxFrame))
	if err == nil && len(said) > 0 {
		err = sys.SendFile(s.socket, said, nil)
	}
	return err
}

// runReaper starts the command, forwards signals to it, reaps every orphan and ends as the command did.
func runReaper() {
	socket := os.NewFile(controlFD, "control")
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	more, err := strconv.Atoi(os.Args[1])
	pid := 0
	if err == nil {
		pid, err = spawn(os.Args[2:], more)
	}
	if err != nil {
		_, _ = socket.Write(errorFrame(err)) // without a parent there is nobody to tell
		os.Exit(1)
	}
	socket.Close()
	done := make(chan int)
	go func() { done <- reapUntil(pid) }()
	for {
		select {
		case code := <-done:
			os.Exit(code)
		case sig := <-signals:
			forward(pid, sig.(syscall.Signal))
		}
	}
}

// spawn starts the command, with so many descriptors from moreFD on behind its standard streams; it is looked for in PATH as execute does.
func spawn(args []string, more int) (int, error) {
	if err := sys.CloseOnExecFrom(3); err != nil {
		return 0, fmt.Errorf("cannot close what the command must not inherit: %w", err)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}}
	for i := range more {
		attr.Files = append(attr.Files, uintptr(moreFD+i))
	}
	var pid int
	err := search(args[0], os.Environ(), func(file string) (err error) {
		pid, err = syscall.ForkExec(file, args, attr)
		return err
	})
	if errors.Is(err, syscall.EMFILE) {
		err = fmt.Errorf("%w; --init needs some more than the limit (--ulimit nofile) allows", err)
	}
	return pid, err
}

// forward passes a signal on. Those about children and the terminal's stops are our own.
func forward(pid int, sig syscall.Signal) {
	switch sig {
	case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGPIPE:
		return
	}
	_ = syscall.Kill(pid, sig) // it may have ended meanwhile
}

// reapUntil waits for children until the one with this pid has ended, and returns its status.
func reapUntil(pid int) int {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 1
		}
		if got == pid && (status.Exited() || status.Signaled()) {
			return exitCode(status)
		}
	}
}
