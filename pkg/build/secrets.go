package build

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/pkg/build/fileop"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// maxSecret is how large a secret may be, in bytes: BuildKit's bound.
const maxSecret = 500 << 10

// Secret is where a secret comes from: a file, or a variable of the environment.
type Secret struct{ File, Env string }

// Check fails where a file cannot be had, before a step asks for it. What a variable has is only looked at then: many are set for some builds only.
func (s Secret) Check() error {
	if s.Env != "" {
		return nil
	}
	info, err := os.Stat(s.File)
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	case info.IsDir():
		return errdefs.Errorf(errdefs.ErrInvalid, "%s is a directory", s.File)
	case info.Size() > maxSecret:
		return tooLarge()
	}
	return nil
}

func tooLarge() error {
	return errdefs.Errorf(errdefs.ErrInvalid, "it is larger than %d bytes", maxSecret)
}

// read reads a secret when a step asks for it.
func (s Secret) read() ([]byte, error) {
	if s.Env != "" {
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "the variable %s is not set", s.Env)
		}
		return []byte(value), nil
	}
	f, err := os.Open(s.File)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(data) > maxSecret {
		err = tooLarge()
	}
	return data, err
}

// findSecret is a secret's content; nil where there is none and none is needed.
func (s *solver) findSecret(id string, optional bool) ([]byte, error) {
	secret, ok := s.opts.Secrets[id]
	if !ok && optional {
		return nil, nil
	}
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find the secret %q: give it with --secret id=%s,src=FILE or --secret id=%s,env=NAME", id, id, id)
	}
	data, err := secret.read()
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret %q: %w", id, err)
	}
	return append([]byte{}, data...), nil
}

// secret is a file in memory.
func (m *mounts) secret(name string, o *pb.SecretOpt) (*spec.Mount, error) {
	data, err := m.findSecret(o.ID, o.Optional)
	if err != nil || data == nil {
		return nil, err
	}
	path := filepath.Join(m.private(), "secret-"+name)
	m.todo = append(m.todo, func() error {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return fmt.Errorf("cannot write the secret %q: %w", o.ID, err)
		}
		return own(path, o.Uid, o.Gid, o.Mode)
	})
	return &spec.Mount{Type: spec.MountBind, Source: path, Options: []string{"nosuid", "nodev", "noexec"}, ReadOnly: true}, nil
}

// secretEnv sets the variables that are secrets.
func (m *mounts) secretEnv(c *spec.Container) error {
	for _, s := range m.op.Secretenv {
		data, err := m.findSecret(s.ID, s.Optional)
		if err != nil {
			return err
		}
		if bytes.IndexByte(data, 0) >= 0 {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot set the variable %s to the secret %q: it has a zero byte, which no variable can have; mount it as a file", s.Name, s.ID)
		}
		if data != nil {
			c.Env = append(c.Env, s.Name+"="+string(data))
		}
	}
	return nil
}

func own(path string, uid, gid, mode uint32) error {
	if err := fileop.CheckOwner(uid, gid); err != nil {
		return err
	}
	if err := os.Chown(path, int(uid), int(gid)); err != nil {
		return err
	}
	return syscall.Chmod(path, mode)
}

// agent is a socket that leads to an SSH agent.
func (m *mounts) agent(name string, o *pb.SSHOpt) (*spec.Mount, error) {
	id := o.ID
	if id == "" {
		id = "default"
	}
	dial, ok := m.opts.Agents[id]
	if !ok && o.Optional {
		return nil, nil
	}
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "cannot find the SSH agent %q: give one with --ssh %s", id, id)
	}
	path := filepath.Join(m.private(), "agent-"+name)
	m.todo = append(m.todo, func() error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return fmt.Errorf("cannot forward the SSH agent: %w", err)
		}
		l.SetUnlinkOnClose(false) // its directory goes
		m.closers = append(m.closers, forward(l, dial))
		return own(path, o.Uid, o.Gid, o.Mode)
	})
	return &spec.Mount{Type: spec.MountBind, Source: path}, nil
}

// forwarder passes what comes to a socket on.
type forwarder struct {
	listener net.Listener
	all      sync.WaitGroup
	mu       sync.Mutex
	open     map[io.Closer]bool // what ends with it
	closed   bool
}

// acceptPause is little beside what a connection to an agent is there for.
const acceptPause = 10 * time.Millisecond

func forward(l net.Listener, serve Agent) *forwarder {
	f := &forwarder{listener: l, open: map[io.Closer]bool{}}
	f.all.Go(func() {
		for {
			conn, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // too many open files: whoever waits is served when others have gone
				time.Sleep(acceptPause)
				continue
			}
			if !f.keep(conn) {
				conn.Close()
				return
			}
			f.all.Go(func() {
				defer f.drop(conn)
				_ = serve(conn) // it ends with the connection
			})
		}
	})
	return f
}

func (f *forwarder) keep(c io.Closer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[c] = true
	return !f.closed
}

func (f *forwarder) drop(c io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
	c.Close()
}

// Close ends all connections and waits for them.
func (f *forwarder) Close() error {
	err := f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for c := range f.open {
		c.Close()
	}
	f.mu.Unlock()
	f.all.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
