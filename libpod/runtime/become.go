package runtime

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// prepare gives up what the process may not have, but for what that takes which is left to its birth: limits may have to go beyond those of the caller,
// and without no_new_privs loading a filter takes CAP_SYS_ADMIN.
func (s *stage) prepare() (*sys.Birth, error) {
	p := s.proc
	if err := s.enterCwd(); err != nil {
		return nil, err
	}
	caps, err := capabilities(p.Capabilities)
	if err != nil {
		return nil, err
	}
	own := &sys.Birth{} // what the stage does itself if it is a process
	if err := s.become(own); err != nil {
		return nil, err
	}
	b := &sys.Birth{}
	if s.pids != nil {
		b.NewSession()
	}
	if p.Terminal {
		b.ControllingTerminal(0)
	}
	s.dieWithMonitor(b) // before the limits: one of no open files refuses poll(2)
	if err := s.limits(b); err != nil {
		return nil, err
	}
	// With no_new_privs as late as possible, so that the profile need not allow what we do ourselves.
	if !p.NoNewPrivileges {
		err = s.filtered(b)
	}
	b.Capabilities(set(caps, capability.EFFECTIVE), set(caps, capability.PERMITTED), set(caps, capability.INHERITABLE))
	if p.NoNewPrivileges {
		b.NoNewPrivs()
		err = s.filtered(b)
	}
	if err == nil {
		err = s.execute(b)
	}
	if err == nil {
		err = s.drop(own, caps)
	}
	if err != nil {
		return nil, err
	}
	if s.beside != nil {
		b.After(own)
		return b, nil
	}
	return b, own.Do()
}

// become is about the process itself, and takes no privileges away.
func (s *stage) become(b *sys.Birth) error {
	b.SessionKeyring(s.seccomp != nil) // a filter refuses keyctl(2) anyway
	b.Umask(umask(s.proc))
	if s.beside != nil {
		return s.beside.become(b, s)
	}
	// The signals of whoever called us are none of the container's business.
	if err := errors.Join(sys.UnblockSignals(), sys.DefaultSignals()); err != nil {
		return err
	}
	return s.handOn()
}

// dieWithMonitor has a container's first process end with its monitor.
func (s *stage) dieWithMonitor(b *sys.Birth) {
	switch {
	case s.beside != nil:
		s.beside.embryo.DieWithMaker(b, errMonitorEnded)
	case s.dies && s.pids == nil:
		b.DieWithParent(s.socket, errMonitorEnded)
	}
}

var errMonitorEnded = errors.New("cannot start the container: its monitor has ended")

func (s *stage) filtered(b *sys.Birth) error {
	if s.seccomp == nil {
		return nil
	}
	if err := b.Seccomp(s.seccomp, s.badFilter); err != nil {
		return s.badFilter(err)
	}
	return nil
}

// execute says what is executed.
func (s *stage) execute(b *sys.Birth) error {
	if s.reaper {
		return s.birthOfReaper(b)
	}
	return execError(s.proc.Args[0], b.Program(candidates(s.proc.Args[0], s.proc.Env), s.proc.Args, s.proc.Env, listenPID))
}

// outcome is what became of the program: nil when it is executed.
func (s *stage) outcome(tried []syscall.Errno, err error) error {
	if err != nil || (s.pids != nil || s.beside != nil) && tried == nil {
		return err
	}
	return search(s.proc.Args[0], s.proc.Env, func(string) error {
		if len(tried) == 0 { // whoever has taken the process over can say anything
			return errors.New("cannot understand what became of it")
		}
		e := tried[0]
		tried = tried[1:]
		return e
	})
}

// handOn moves the descriptors from moreFD on to where the command expects them, right behind the standard streams. Nothing else of ours is there
// but what the stage was started with: the control socket, which makes room, and the program, which only a reaper needs: that hands on itself.
func (s *stage) handOn() (err error) {
	if s.more == 0 {
		return nil
	}
	if s.reaper {
		for i := range s.more {
			if err := sys.KeepOnExec(moreFD + i); err != nil {
				return err
			}
		}
		return nil
	}
	first := controlFD
	if s.socket, err = sys.MoveFrom(s.socket, first+s.more); err != nil {
		return err
	}
	for i := range s.more {
		if err := sys.Replace(first+i, os.NewFile(uintptr(moreFD+i), "handed on")); err != nil {
			return err
		}
	}
	return nil
}

// listenPID says whose the sockets are that a process was started with (sd_listen_fds(3)).
const listenPID = "LISTEN_PID"

// enterCwd changes to the working directory and makes sure that it is in the container: a descriptor that leads
// out of it, reached through a name as /proc/self/fd/7, was CVE-2024-21626.
func (s *stage) enterCwd() error {
	if err := s.cwd.Chdir(); err != nil {
		return fmt.Errorf("cannot change to the working directory %q: %w", s.proc.Cwd, err)
	}
	wd, err := syscall.Getwd()
	if err != nil || !strings.HasPrefix(wd, "/") {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the working directory %q: it lies outside of the container", s.proc.Cwd)
	}
	return nil
}

func umask(p *specs.Process) int {
	if p.User.Umask != nil {
		return int(*p.User.Umask)
	}
	return 0o022
}

// drop changes ids and capabilities for good, but for those that the birth needs.
func (s *stage) drop(b *sys.Birth, caps capability.Capabilities) error {
	had, err := sys.Permitted() // root of the host may have less than all
	if err != nil {
		return err
	}
	last, err := capability.LastCap()
	if err != nil {
		return fmt.Errorf("cannot read the last capability: %w", err)
	}
	may := had&(1<<capability.CAP_SETPCAP) != 0
	for c := range last + 1 {
		// Root of the container gets what is in the bounding set, so what is not to be had must not be there, also for who may take nothing out of it.
		if !caps.Get(capability.BOUNDING, c) && (may || sys.InBounding(int(c))) {
			b.DropBounding(int(c))
		}
	}
	u := s.user
	groups := &u.groups
	if u.keep {
		groups = nil
	}
	b.IDs(u.uid, u.gid, groups, u.explain)
	needed := map[capability.Cap]bool{
		capability.CAP_SYS_ADMIN:    s.seccomp != nil && !s.proc.NoNewPrivileges,
		capability.CAP_SYS_RESOURCE: len(s.proc.Rlimits) > 0,
	}
	for c, is := range needed {
		if is && had&(1<<c) != 0 {
			caps.Set(capability.EFFECTIVE|capability.PERMITTED, c)
		}
	}
	b.Capabilities(set(caps, capability.EFFECTIVE), set(caps, capability.PERMITTED), set(caps, capability.INHERITABLE))
	b.Ambient(set(caps, capability.AMBIENT))
	return nil
}

// set is one of the sets, a bit for each capability.
func set(caps capability.Capabilities, kind capability.CapType) (bits uint64) {
	for _, c := range capability.ListKnown() {
		if caps.Get(kind, c) {
			bits |= 1 << c
		}
	}
	return bits
}

// capabilities reads the five sets; none given is none had.
func capabilities(c *specs.LinuxCapabilities) (capability.Capabilities, error) {
	state, err := capability.NewPid2(0)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare capabilities: %w", err)
	}
	if c == nil {
		return state, nil
	}
	for _, set := range []struct {
		kind  capability.CapType
		names []string
	}{
		{capability.BOUNDING, c.Bounding},
		{capability.EFFECTIVE, c.Effective},
		{capability.PERMITTED, c.Permitted},
		{capability.INHERITABLE, c.Inheritable},
		{capability.AMBIENT, c.Ambient},
	} {
		for _, name := range set.names {
			v, err := capabilityNamed(name)
			if err != nil {
				return nil, err
			}
			state.Set(set.kind, v)
		}
	}
	return state, nil
}

func capabilityNamed(name string) (capability.Cap, error) {
	short := strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	for _, c := range capability.ListKnown() {
		if c.String() == short {
			return c, nil
		}
	}
	return 0, errdefs.Errorf(errdefs.ErrInvalid, "cannot give the capability %q: there is none of this name", name)
}

// candidates are the files that a command may be: it as it is named, or, a bare name, that in each directory of env's PATH.
func candidates(name string, env []string) (files []string) {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	if name == "" {
		return nil
	}
	for _, dir := range strings.Split(searchPath(env), ":") {
		file := "./" + name
		if dir != "" {
			file = path.Join(dir, name)
		}
		files = append(files, file)
	}
	return files
}

// search gives run the files that a command may be, in turn until one works, as execvp(3) does.
func search(name string, env []string, run func(file string) error) error {
	var denied error
	for _, file := range candidates(name, env) {
		err := run(file)
		if strings.Contains(name, "/") {
			return execError(name, err)
		}
		switch err {
		case nil:
			return nil
		case syscall.ENOENT, syscall.ENOTDIR:
			if _, statErr := os.Stat(file); statErr == nil {
				return execError(name, err)
			}
		case syscall.EACCES:
			denied = err
		default:
			return execError(name, err)
		}
	}
	if denied != nil {
		return execError(name, denied)
	}
	return errdefs.Errorf(errdefs.ErrNoCommand, "cannot run %q in the container: there is no such program in its PATH", name)
}

// searchPath is PATH, or what execvp(3) takes without one.
func searchPath(env []string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			return v
		}
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// execError says why execve(2) failed, nil when it did not.
func execError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOENT):
		if _, statErr := os.Stat(name); statErr == nil || !strings.Contains(name, "/") {
			return errdefs.Errorf(errdefs.ErrNoCommand,
				"cannot run %q in the container: the interpreter or loader that it names is missing", name)
		}
		return errdefs.Errorf(errdefs.ErrNoCommand, "cannot run %q in the container: no such file", name)
	case errors.Is(err, syscall.ENOTDIR):
		return errdefs.Errorf(errdefs.ErrNoCommand, "cannot run %q in the container: no such file", name)
	case errors.Is(err, syscall.ENOEXEC):
		return errdefs.Errorf(errdefs.ErrNotExecutable,
			"cannot run %q in the container: it is no program for this machine; was the image built for another one?", name)
	}
	return errdefs.Errorf(errdefs.ErrNotExecutable, "cannot run %q in the container: %w", name, err)
}

func isErrno(err error, e syscall.Errno) bool { return errors.Is(err, e) }
