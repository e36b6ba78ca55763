package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

// execStreams are what a command in a running container reads and writes. It gets pipes of ours as they are. Of anything else it gets a pipe, and we carry what is
// in there: it may open /dev/stdout anew, which truncates a file, and a process in the container may so write to a file that was handed over to be read, or listen to
// a terminal; a socket cannot be opened at all.
type execStreams struct {
	runtime.Stdio
	theirs  []*os.File // to be closed once the command has them
	outlets []outlet
	inlet   *os.File // our end of its standard input, nil when that is ours
	input   *os.File
}

// outlet is our end of what a command writes to.
type outlet struct{ from, to *os.File }

func (o *execOptions) streams(app *App) (*execStreams, error) {
	s := &execStreams{}
	if o.Terminal {
		return s, nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return s, err
	}
	s.theirs = append(s.theirs, null)
	s.Stdio = runtime.Stdio{Stdin: null, Stdout: null, Stderr: null}
	if o.detach {
		return s, nil
	}
	if o.interactive {
		err = s.read(app.In, null)
	}
	if err == nil {
		s.Stdout, err = s.write(app.Out, null)
	}
	if err == nil && !same(app.Out, app.Err) {
		s.Stderr, err = s.write(app.Err, null)
	} else {
		s.Stderr = s.Stdout // what goes to the same place stays in order
	}
	return s, err
}

// read has the command read what in has.
func (s *execStreams) read(in, null *os.File) (err error) {
	s.Stdin = in
	if passable(in, null) {
		return nil
	}
	s.input = in
	s.inlet, s.Stdin, err = sys.Pipe(true)
	s.theirs = append(s.theirs, s.Stdin)
	return err
}

// write is what the command is to write to, so that it gets to out.
func (s *execStreams) write(out, null *os.File) (*os.File, error) {
	if passable(out, null) {
		return out, nil
	}
	from, theirs, err := sys.Pipe(false)
	if err == nil {
		s.theirs, s.outlets = append(s.theirs, theirs), append(s.outlets, outlet{from, out})
	}
	return theirs, err
}

// passable says that a container may have a stream of ours itself. One that is closed is nothing to have.
func passable(f, null *os.File) bool {
	magic, err := sys.FsMagic(f)
	return err != nil || magic == sys.MagicPipe && !foreign(f) || same(f, null)
}

// overflowID is what the kernel says for ids that the user namespace does not have.
const overflowID = 65534

// foreign says that a pipe was made by somebody whom the user's namespace does not have, as cron and sudo make them: it cannot be given to the user whom the command
// runs as.
func foreign(pipe *os.File) bool {
	info, err := pipe.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == overflowID || stat.Gid == overflowID)
}

// same says that two descriptors are of the same file.
func same(a, b *os.File) bool {
	one, err := a.Stat()
	if err != nil {
		return false
	}
	other, err := b.Stat()
	return err == nil && os.SameFile(one, other)
}

// release closes what only the command has to have.
func (s *execStreams) release() (err error) {
	for _, f := range s.theirs {
		err = errors.Join(err, f.Close())
	}
	s.theirs = nil
	return err
}

// carry starts the command, carries what it reads and writes, and returns its exit code as an error.
func (s *execStreams) carry(ctx context.Context, app *App, process *libpod.Execution) error {
	unread := make(chan error, 1)
	if s.inlet != nil {
		go s.feed(unread) // it ends with us: nothing can interrupt a Read of a terminal
	}
	done, unwritten := make(chan error, 1), make(chan error, len(s.outlets))
	var copying sync.WaitGroup
	for _, o := range s.outlets {
		copying.Go(func() {
			if _, err := io.Copy(o.to, o.from); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				unwritten <- err
			}
		})
	}
	go func() { done <- waitFor(process, nil) }()
	select {
	case err := <-unwritten:
		return err
	case err := <-done:
		for _, o := range s.outlets {
			_ = o.from.SetReadDeadline(time.Unix(1, 0)) // others may have it open still
		}
		copying.Wait()
		for _, o := range s.outlets {
			err = errors.Join(err, o.finish(ctx, process))
		}
		return app.cut(err, unread)
	}
}

// feed carries what the command reads, and tells when that cannot be read.
func (s *execStreams) feed(unread chan<- error) {
	defer s.inlet.Close()
	_, err := io.Copy(struct{ io.Writer }{s.inlet}, s.input) // which tells reads from writes: a command need not read all of it
	if isUnread(s.input, err) {
		unread <- err
	}
}

// pipeLimit is more than a pipe has in it.
const pipeLimit = 1 << 20

// finish carries what the command wrote before it ended. What it has left running keeps its output, which from now on is read by the container's monitor, and lost.
func (o outlet) finish(ctx context.Context, process *libpod.Execution) error {
	defer o.from.Close()
	buffer := make([]byte, 64<<10)
	for read := 0; read <= pipeLimit; {
		n, err := sys.ReadWaiting(o.from, buffer)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if n == 0 || err != nil {
			return err
		}
		if _, err := o.to.Write(buffer[:n]); err != nil {
			return err
		}
		read += n
	}
	_ = process.Leave(context.WithoutCancel(ctx), o.from) // it fails when the container has ended, and nobody writes any more
	return nil
}
