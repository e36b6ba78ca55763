package runtime

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// openReport makes the pipe by which a reaper tells the parent how its command started, in the place of the control socket: the command may trace its reaper, and a socket
// would lead it to the process at the other end (SO_PEERPIDFD, pidfd_getfd(2)).
func (s *stage) openReport() (err error) {
	if s.beside != nil {
		return s.beside.openReport(s)
	}
	if s.socket, err = sys.MoveFrom(s.socket, moreFD+s.more); err != nil {
		return err
	}
	reader, writer, err := sys.Pipe(false)
	if err != nil {
		return err
	}
	defer writer.Close()
	s.report = reader
	return sys.Replace(controlFD, writer) // inheritable
}

// birthOfReaper is that of PID 1 of a container with Bundle.Init: our own program again, but with nothing left of the
// privileges of a stage.
func (s *stage) birthOfReaper(b *sys.Birth) error {
	args := append([]string{stageReaper, strconv.Itoa(s.more)}, s.proc.Args...)
	return b.ProgramFile(s.program, args, s.proc.Env, listenPID)
}

// runReaper starts the command, forwards signals to it, reaps every orphan and ends as the command did.
func runReaper() {
	report := os.NewFile(controlFD, "report")
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	more, err := strconv.Atoi(os.Args[1])
	pid := 0
	if err == nil {
		pid, err = spawn(os.Args[2:], more)
	}
	if err != nil {
		_, _ = report.Write(errorFrame(err)) // without a parent there is nobody to tell
		os.Exit(1)
	}
	report.Close()
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
