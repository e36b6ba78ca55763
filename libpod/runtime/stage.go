package runtime

import (
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"syscall"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Names under which the program is started to be a stage.
const (
	stageInit   = "moss-init"   // the first process of a container
	stageExec   = "moss-exec"   // one more process of a container
	stageReaper = "moss-reaper" // PID 1 of a container with Bundle.Init
)

// Stage runs a stage and never returns when the process was started as one, which argv[0] says. It must
// be the first thing that main does.
func Stage() {
	switch os.Args[0] {
	case stageInit, stageExec:
		runStage()
	case stageReaper:
		runReaper()
	}
}

// stage sets a container up, or one more process of one: a process on its way to become that, or a thread beside it (beside.go).
type stage struct {
	socket  *os.File   // to the parent, of a process
	beside  *beside    // of a thread, nil for a process
	order   *order     // of a thread
	program *os.File   // our own executable, for the reaper
	streams []*os.File // the standard streams
	root    *os.File   // the container's root directory
	oldRoot *os.File   // for leave
	spread  string     // how the root's mounts do, a propagation
	proc    *specs.Process
	user    *identity
	seccomp []byte
	filter  string // the file that seccomp is from
	cwd     *os.File
	console *os.File // master side of the terminal
	tty     *os.File // slave side
	more    int      // as in order
	reaper  bool
	// dies says that the process must not outlive its parent: a container's first, whose monitor it is.
	dies bool
	// start is where a detached container waits for whoever starts it.
	start *os.File
	// pids is somebody else's PID namespace that the process is to be in, nil when it is in its own already.
	pids   *os.File
	report *os.File // as in ready
	// reporter is the end of report that is the reaper's, of a stage that is a thread.
	reporter *os.File
}

func runStage() {
	// Namespaces, ids, capabilities and filters belong to threads; execve(2) makes this one the whole process.
	goruntime.LockOSThread()
	debug.SetGCPercent(-1) // too short a life to collect anything
	s := &stage{socket: os.NewFile(controlFD, "control"), program: os.NewFile(programFD, "program")}
	err := s.run()
	if errors.Is(err, io.EOF) {
		os.Exit(1) // the parent is gone
	}
	tell := func() error { return sendError(s.socket, err) }
	if s.pids != nil {
		_ = sys.Elsewhere(tell) // without a parent there is nobody to tell
	} else {
		_ = tell() // as above
	}
	os.Exit(1)
}

// run returns only with an error.
func (s *stage) run() error {
	if err := sys.SetNonDumpable(); err != nil {
		return err
	}
	if err := sys.SetThreadName(unborn); err != nil {
		return err
	}
	if err := sys.CloseOnExecFrom(controlFD); err != nil {
		return err
	}
	if _, err := capability.LastCap(); err != nil { // read while /proc still is the host's
		return fmt.Errorf("cannot read the last capability: %w", err)
	}
	isCommand := os.Args[0] == stageExec
	if isCommand {
		prepareDecoding(&command{})
	}
	o, err := receiveOrder(s.socket, isCommand)
	if err != nil {
		return err
	}
	if err := sys.SetTimerSlack(o.slack); err != nil {
		return err
	}
	if err := sys.Unshare(sys.CloneFS); err != nil {
		return err
	}
	syscall.Umask(0) // modes of what we make are exact
	s.more = o.more
	if err := takeStreams(o.streams); err != nil {
		return err
	}
	s.streams = []*os.File{os.Stdin, os.Stdout, os.Stderr}
	if o.Command != nil {
		err = s.enter(o)
	} else {
		err = s.build(o)
	}
	if err != nil {
		return err
	}
	if s.reaper {
		if err := s.openReport(); err != nil {
			return err
		}
	}
	if s.pids != nil {
		return s.bearAmongOthers()
	}
	if err := sendReady(s.socket, ready{console: s.console, report: s.report}); err != nil {
		return err
	}
	if err := s.leave(); err != nil { // while the parent does its part
		return err
	}
	if err := s.await(); err != nil {
		return err
	}
	b, err := s.prepare()
	if err != nil {
		return err
	}
	return s.outcome(b.Exec())
}

// bearAmongOthers is for a process in somebody else's PID namespace. Whoever may trace there could get at all that a stage has and sees, the files of the host above
// all: so the stage stays outside, and what is born inside has nothing of that any more, and nothing that leads to those who do.
func (s *stage) bearAmongOthers() error {
	if err := s.leave(); err != nil {
		return err
	}
	if err := sys.Setns(s.pids, sys.ClonePID); err != nil { // of processes that this one makes
		return err
	}
	b, err := s.prepare()
	if err != nil {
		return err
	}
	first := controlFD + s.more
	if s.reaper {
		first = moreFD + s.more
	}
	u, err := b.Fork(first, s.dies)
	if isErrno(err, syscall.ENOMEM) { // clone(2): the first process of the namespace has ended
		err = errOwnerEnded
	}
	if err != nil {
		return fmt.Errorf("cannot start the container's process: %w", err)
	}
	var tried []syscall.Errno
	err = sys.Elsewhere(func() (err error) {
		if err := sendReady(s.socket, ready{u.Pid, s.console, s.report}); err != nil {
			return err
		}
		if s.start != nil { // nobody need ever start what has ended
			if ended, err := u.EndsBefore(s.start); err != nil || ended {
				return errors.Join(err, io.EOF)
			}
		}
		if err := s.await(); err != nil {
			return err
		}
		tried, err = u.Bear()
		return err
	})
	if err := s.outcome(tried, err); err != nil {
		return err
	}
	_ = sys.Elsewhere(func() error { return sendReady(s.socket, ready{born: u.Pid}) }) // it goes on, whoever is there to be told
	os.Exit(0)
	return nil
}

// await waits until the stage is to go on.
func (s *stage) await() error {
	if err := s.awaitStarter(); err != nil {
		return err
	}
	return s.awaitWord()
}

// awaitWord waits for the byte that lets the stage go on.
func (s *stage) awaitWord() error {
	var word [1]byte
	if _, err := io.ReadFull(s.socket, word[:]); err != nil {
		return io.EOF
	}
	return nil
}

// takeStreams makes what came with the order the standard streams.
func takeStreams(streams []*os.File) error {
	for fd, f := range streams {
		if err := sys.Replace(fd, f); err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// joinNamespaces enters other namespaces, and sets up one of the network that is new. That of PIDs is for later.
func (s *stage) joinNamespaces(o *order) error {
	for i, f := range o.namespaces {
		if o.kinds[i] == sys.ClonePID {
			s.pids = f
			continue
		}
		if err := sys.Setns(f, o.kinds[i]); err != nil {
			return err
		}
	}
	if !o.loopback {
		return nil
	}
	if err := sys.LoopbackUp(); err != nil {
		return fmt.Errorf("cannot bring up the loopback interface: %w", err)
	}
	return nil
}

// build makes the container around its first process.
func (s *stage) build(o *order) error {
	b, err := o.Bundle.decodeOwn()
	if err != nil {
		return err
	}
	if err := checkBundle(b); err != nil {
		return err
	}
	s.proc, s.reaper, s.dies, s.start = b.Spec.Process, b.Init, o.start == nil, o.start
	if s.reaper && s.beside != nil {
		if err := s.beside.openProgram(s); err != nil {
			return err
		}
	}
	if err := s.joinNamespaces(o); err != nil {
		return err
	}
	if err := s.divideCgroups(o, hasFresh(b.Spec, specs.CgroupNamespace)); err != nil {
		return err
	}
	if err := s.readFilter(b.Seccomp); err != nil {
		return err
	}
	if err := setNames(b.Spec); err != nil {
		return err
	}
	r, err := newRootfs(b)
	if err != nil {
		return err
	}
	defer r.close()
	s.root, r.newProc = r.root, s.newProc
	if err := s.resolveUser(b.User, b.Groups); err != nil {
		return err
	}
	if err := r.populate(s); err != nil {
		return err
	}
	if err := s.ownStreams(); err != nil {
		return err
	}
	if err := s.setScore(); err != nil {
		return err
	}
	if err := s.showMounted(); err != nil {
		return err
	}
	if err := r.enter(s); err != nil {
		return err
	}
	return s.checkCommand()
}

// divideCgroups makes the cgroup namespace, if there is to be one, of a process that is in its cgroup by now.
func (s *stage) divideCgroups(o *order, fresh bool) error {
	switch {
	case s.beside != nil:
		return s.beside.join(o, fresh)
	case fresh:
		return sys.Unshare(sys.CloneCgroup)
	}
	return nil
}

// newProc makes a procfs of the container's PID namespace.
func (s *stage) newProc(options []string, attr uint64) (*os.File, error) {
	switch {
	case s.beside != nil:
		return s.beside.embryo.Procfs(options, attr)
	case s.pids != nil:
		return procOf(s.pids)
	}
	return sys.NewMount("proc", options, attr)
}

func hasFresh(s *specs.Spec, kind specs.LinuxNamespaceType) bool {
	for _, n := range s.Linux.Namespaces {
		if n.Type == kind && n.Path == "" {
			return true
		}
	}
	return false
}

func (s *stage) readFilter(path string) (err error) {
	if path == "" {
		return nil
	}
	s.filter = path
	s.seccomp, err = os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read the seccomp filter: %w", err)
	}
	if len(s.seccomp) == 0 {
		return s.badFilter(errors.New("it is empty"))
	}
	return nil
}

// badFilter says what to do about a filter that the kernel does not take: those that moss compiles, it does.
func (s *stage) badFilter(err error) error {
	return errdefs.Errorf(errdefs.ErrDamaged, "cannot load the seccomp filter: %w; remove %s, which is made anew", err, s.filter)
}

func setNames(s *specs.Spec) error {
	if s.Hostname != "" {
		if err := sys.SetHostname(s.Hostname); err != nil {
			return fmt.Errorf("cannot set the host name to %q: %w", s.Hostname, err)
		}
	}
	if s.Domainname != "" {
		if err := sys.SetDomainname(s.Domainname); err != nil {
			return fmt.Errorf("cannot set the domain name to %q: %w", s.Domainname, err)
		}
	}
	return nil
}
