// Package forwarder is the process that serves the published ports of all of a user's containers: it accepts what comes to sockets that
// their monitors have bound in the host's network namespace, and passes it on to the containers' servers by sockets that were opened in the
// containers' namespaces.
//
// Servers see the address of a TCP client, also that of a client with IPv6 where the container has no such address. Package network
// prepares the routes for that. Datagrams
// come from the container's own address: the answer to another could not be told from other traffic.
package forwarder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/network/published"
	"github.com/mosscontainers/moss/pkg/sys"
)

const (
	// linger is how long the forwarder stays when nobody publishes anything: those whose forwarder was killed need not find the next one at once.
	linger = 5 * time.Second
	// quiet is how long after the last news it makes itself small.
	quiet = time.Second
)

// Forwarder is the process's state.
type Forwarder struct {
	runDir  string
	own     string // user namespace
	control *os.File
	rest    *time.Timer
	owned   sync.WaitGroup // all sessions

	mu    sync.Mutex
	users int         // connections
	alone *time.Timer // runs when there are none
	left  chan struct{}
}

// Start makes this process be found as the user's forwarder.
func Start(runDir string) (*Forwarder, error) {
	own, err := published.UserNamespace()
	if err != nil {
		return nil, err
	}
	control, err := helper.Announce(helper.Ports, runDir)
	if err != nil {
		return nil, err
	}
	f := &Forwarder{runDir: runDir, own: own, control: control, left: make(chan struct{})}
	f.rest = time.AfterFunc(quiet, rest)
	f.alone = time.AfterFunc(linger, f.leave)
	return f, nil
}

// Serve serves until nobody needs it any more.
func (f *Forwarder) Serve() error {
	for {
		conn, err := sys.Accept(f.control)
		var kernel syscall.Errno
		switch {
		case err == nil:
			f.enter()
			f.owned.Go(func() {
				defer f.exit()
				(&session{conn: conn}).serve(f.own)
			})
			f.rest.Reset(quiet)
		case errors.As(err, &kernel):
			time.Sleep(pause) // out of descriptors or memory
		default:
			f.owned.Wait()
			<-f.left
			return nil
		}
	}
}

func (f *Forwarder) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users++
	f.alone.Stop()
}

func (f *Forwarder) exit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 {
		f.alone.Reset(linger)
	}
}

// leave makes it not be found any more, and ends it. Who has just connected is not heard then, and starts another.
func (f *Forwarder) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users > 0 {
		return
	}
	lock, free, err := sys.TryLockFile(helper.Ports.LockName(f.runDir))
	switch {
	case err == nil && free:
		defer lock.Unlock()
		_ = helper.Withdraw(helper.Ports, f.runDir) // the next one replaces them
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission): // without the directory nobody finds it, and a new one is forbidden to it
		f.alone.Reset(linger) // somebody who found none is about to ask this one
		return
	}
	_ = f.control.Close()
	close(f.left)
}

// rest gives back what waiting does not need: the forwarder waits most of its life.
func rest() {
	debug.FreeOSMemory()
	sys.DropProgram()
}

// session is one connection: a monitor's, or of somebody who only holds it.
type session struct {
	conn   *os.File
	server *server // nil until there is something to serve

	writing sync.Mutex
}

// serve serves what the monitor tells of, until it hangs up. own is this process's user namespace.
func (s *session) serve(own string) {
	defer s.conn.Close()
	if !helper.Asked(s.conn, own) || !s.say(helper.Ready) {
		return
	}
	for buf := make([]byte, maxBatch); ; {
		n, files, err := sys.ReceiveFiles(s.conn, buf)
		if err != nil || n == 0 {
			break
		}
		if !s.say(helper.Answer(s.take(buf[:n], files))) {
			break
		}
	}
	if s.server != nil {
		s.server.close()
	}
}

// maxBatch is more than any batch has, in bytes.
const maxBatch = 8 << 10

// say writes a line.
func (s *session) say(line string) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := io.WriteString(s.conn, line)
	return err == nil
}
