package runtime

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/sys"
)

// A detached container is set up by one process and started by another, as an OCI runtime's create and start are. Its first
// process waits on a socket in a directory of the caller's, which it was given before it changed its root directory: nothing in
// the container can reach the socket's name, and the descriptor goes with execve(2). The socket's name goes before the command is
// released. So it says, whoever was killed when, whether the container waits to be started; a process whose starter was killed
// in between ends.

// startSocket is the name of the socket.
const startSocket = "start"

// Detached is what a detached container has beyond others.
type Detached struct {
	// Dir is a private directory, for the socket.
	Dir string
	// Mounted is called with the first process's id when everything is mounted, before it changes its root directory.
	Mounted func(pid int) error
}

// CreateDetached is Create and Ready of a container that may outlive the caller. Start and Console are the only parts of its
// Process that a caller needs who does not wait for it, and Start is StartDetached.
func (l *Own) CreateDetached(ctx context.Context, b Encoded, io Stdio, d Detached) (Process, error) {
	start, err := sys.ListenUnix(d.Dir, startSocket)
	if err != nil {
		return nil, err
	}
	defer start.Close()
	p, err := l.create(ctx, b, io, nil, start)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		return nil, err
	}
	if err := p.goOn(d.Mounted); err != nil {
		p.abandon()
		return nil, joinErrors(err, p.Delete())
	}
	return p, p.Ready(ctx)
}

// goOn lets the stage change its root directory.
func (p *process) goOn(mounted func(int) error) error {
	if err := mounted(p.pid); err != nil {
		return err
	}
	return p.line.goOn()
}

// StartDetached executes the command of the container that CreateDetached made with this directory, as Process.Start does.
func StartDetached(dir string) error {
	socket, err := sys.DialUnix(dir, startSocket)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, startSocket)); err != nil {
		socket.Close()
		return err
	}
	_, err = release(stageSocket{socket})
	return err
}

// AwaitsStart says whether StartDetached has not been called yet.
func AwaitsStart(dir string) bool { return sys.Exists(filepath.Join(dir, startSocket)) }

// showMounted lets the parent of a detached container look at its mounts.
func (s *stage) showMounted() error {
	if s.start == nil {
		return nil
	}
	if err := sendReady(s.socket, ready{}); err != nil {
		return err
	}
	return s.awaitWord()
}

// checkCommand looks for the command of a detached container. Who creates one expects to hear then that there is none.
func (s *stage) checkCommand() error {
	if s.start == nil {
		return nil
	}
	if err := s.enterCwd(); err != nil {
		return err
	}
	return search(s.proc.Args[0], s.proc.Env, func(file string) error {
		var st syscall.Stat_t
		if err := syscall.Stat(file, &st); err != nil {
			return err
		}
		if st.Mode&syscall.S_IFMT != syscall.S_IFREG || st.Mode&0o111 == 0 {
			return syscall.EACCES
		}
		return nil
	})
}

// awaitStarter waits for whoever starts a detached container, and listens to it instead of the parent.
func (s *stage) awaitStarter() error {
	if s.start == nil {
		return nil
	}
	s.socket.Close()
	starter, err := sys.Accept(s.start)
	if err != nil {
		return err
	}
	s.start.Close()
	s.socket = starter
	return nil
}
