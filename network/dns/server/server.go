// Package server is the user's DNS server: it answers for the containers on the networks whose files package dns keeps, each
// asker with the names of its own networks only, and forwards everything else to the host's resolvers.
//
// It is one process for all networks, in the host's network namespace, where the host's resolvers are reached. Its
// listening sockets are in the user's namespace: one thread stays there and opens them.
package server

import (
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// linger is how long the server stays when no container is left.
const linger = 5 * time.Second

// Options say what the server is started with.
type Options struct {
	RunDir     string   // the network's run directory: package dns has its files
	NetNS      *os.File // the user's network namespace
	Exit       *os.File // reading end of the exit pipe
	ResolvConf string   // the host's resolv.conf
}

// Server is a running server.
type Server struct {
	options   Options
	zones     *zones
	resolver  *resolver
	listeners *listeners
	watch     *sys.Watch
	control   *os.File // the socket for requests to look, nil when there is none
	looks     chan look
	ended     chan struct{} // closed when nobody is heard any more
	keeper    keeper
	lock      *sys.Lock      // held by a server that ends because nobody needs it
	owned     sync.WaitGroup // all goroutines
}

// look is a request to look at the files; done, when not nil, gets what was wrong.
type look struct{ done chan<- error }

// Start opens everything that Serve needs, for all networks that there are.
func Start(o Options) (*Server, error) {
	if err := os.MkdirAll(dns.Dir(o.RunDir), 0o700); err != nil {
		return nil, err
	}
	watch, err := sys.WatchNames(dns.Dir(o.RunDir))
	if err != nil {
		return nil, err
	}
	zones := &zones{dir: dns.Dir(o.RunDir), nets: map[string]*zone{}}
	s := &Server{options: o, zones: zones, watch: watch, looks: make(chan look), ended: make(chan struct{})}
	s.resolver = &resolver{zones: zones, upstream: &upstream{path: o.ResolvConf}}
	if s.listeners, err = newListeners(o.NetNS, s.resolver); err != nil {
		return nil, err
	}
	if err := s.announce(); err != nil {
		return nil, err
	}
	return s, s.look()
}

// announce makes the server be found.
func (s *Server) announce() error {
	control, err := helper.Announce(helper.DNS, s.options.RunDir)
	if err != nil {
		return err
	}
	s.control = control
	s.owned.Go(func() { s.accept(control) })
	return nil
}

// withdraw makes it not be found.
func (s *Server) withdraw() error {
	return errors.Join(s.control.Close(), helper.Withdraw(helper.DNS, s.options.RunDir))
}

// Serve serves until the exit pipe ends, or nobody needs it any more.
func (s *Server) Serve() error {
	exited := make(chan struct{})
	s.owned.Go(func() {
		defer close(exited)
		_, _ = io.Copy(io.Discard, s.options.Exit)
	})
	s.owned.Go(func() {
		for s.watch.Next() == nil {
			s.ask(nil)
		}
	})
	err := s.keep(exited)
	close(s.ended)
	s.keeper.release()
	s.control.Close()
	err = errors.Join(err, s.options.Exit.Close(), s.watch.Close(), s.listeners.close())
	s.owned.Wait()
	if s.lock != nil { // now another server can listen
		err = errors.Join(err, s.lock.Unlock())
	}
	s.forget()
	return err
}

// forget removes the record of a server that ended with the exit pipe: who watches it must not take it for one that was killed.
func (s *Server) forget() {
	record := helper.DNS.Record(s.options.RunDir)
	if p, err := sys.RecordedProcess(record); err == nil && p.Pid == os.Getpid() {
		_ = os.Remove(record) // then the next server replaces it
	}
}

// keep looks whenever something has changed, until the server is to end.
func (s *Server) keep(exited <-chan struct{}) error {
	for {
		var lonely <-chan time.Time
		if !s.keeper.found(s.zones, &s.owned, func() { s.ask(nil) }) {
			lonely = time.After(linger)
		}
		select {
		case <-exited:
			return nil
		case l := <-s.looks:
			select {
			case <-exited: // who asks shall start another one
				return nil
			default:
			}
			err := s.look()
			if l.done != nil {
				l.done <- err
			}
		case <-lonely:
			if done, err := s.leave(); done || err != nil {
				return err
			}
		}
	}
}

// ask asks keep to look, and says whether it does.
func (s *Server) ask(done chan<- error) bool {
	select {
	case s.looks <- look{done}:
		return true
	case <-s.ended:
		return false
	}
}

// look reads which networks there are, watches their directories and listens on their gateways.
func (s *Server) look() error {
	var errs []error
	for _, dir := range s.zones.dirs() {
		if err := s.watch.Add(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, s.listeners.adjust(s.zones.gateways()))...)
}

// leave makes the server not be found any more, if nobody needs it. Whoever writes a file and then finds the server has been
// seen: the server is made not to be found first, and looks once more then.
func (s *Server) leave() (done bool, err error) {
	lock, free, err := sys.TryLockFile(helper.DNS.LockName(s.options.RunDir))
	if err != nil || !free {
		return false, err // somebody who found no server is about to ask this one
	}
	if !s.needed() {
		if err = s.withdraw(); err == nil && !s.needed() {
			s.lock = lock
			return true, nil
		}
		if err == nil {
			err = s.announce()
		}
	}
	return false, errors.Join(err, lock.Unlock())
}

func (s *Server) needed() bool {
	_, lives := s.zones.anybody(sys.Process{})
	return lives
}

// accept answers those who ask the server to look.
func (s *Server) accept(control *os.File) {
	for {
		conn, err := sys.Accept(control)
		var kernel syscall.Errno
		if err != nil && !errors.As(err, &kernel) {
			return // it is closed
		}
		if err != nil {
			time.Sleep(pause)
			continue
		}
		s.owned.Go(func() {
			defer conn.Close()
			s.answer(conn)
		})
	}
}

// answer answers one who asks: he says for which network namespace.
func (s *Server) answer(conn *os.File) {
	own, err := sys.Inode(s.options.NetNS)
	if err != nil || !helper.Asked(conn, strconv.FormatUint(own, 10)) {
		return
	}
	done := make(chan error, 1)
	if s.ask(done) {
		_, _ = io.WriteString(conn, helper.Answer(<-done))
	}
}
