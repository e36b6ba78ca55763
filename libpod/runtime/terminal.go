package runtime

import (
	"fmt"
	"os"

	"github.com/mosscontainers/moss/pkg/sys"
)

// newTerminal opens a terminal of the container's own devpts, which must be one: it is in the container's hands.
func (s *stage) newTerminal() error {
	ptmx, err := sys.OpenIn(s.root, "dev/pts/ptmx", os.O_RDWR|sys.ONoCtty, sys.NoLinks)
	if err != nil {
		return fmt.Errorf("cannot open a terminal: %w", err)
	}
	magic, err := sys.FsMagic(ptmx)
	if err == nil && magic != sys.MagicDevpts {
		err = fmt.Errorf("the container's /dev/pts is no devpts")
	}
	if err == nil {
		s.tty, err = sys.OpenPTY(ptmx)
	}
	if err != nil {
		ptmx.Close()
		return fmt.Errorf("cannot open a terminal: %w", err)
	}
	s.console = ptmx
	if b := s.proc.ConsoleSize; b != nil {
		return sys.SetWinsize(ptmx, uint16(b.Height), uint16(b.Width))
	}
	return nil
}

// openTerminal makes the terminal of a container's first process, which is its /dev/console too.
func (s *stage) openTerminal(r *rootfs) error {
	if err := s.newTerminal(); err != nil {
		return err
	}
	if r.dev {
		dev, err := r.directory("/dev")
		if err != nil {
			return err
		}
		defer dev.Close()
		if err := bindInto(s.tty, dev, "console"); err != nil {
			return fmt.Errorf("cannot make /dev/console: %w", err)
		}
	}
	return s.takeTerminal()
}

// takeTerminal makes the terminal the standard streams. It is to control the session, too: prepare.
func (s *stage) takeTerminal() error {
	if err := s.tty.Chown(s.user.uid, -1); err != nil {
		return s.user.explain(fmt.Errorf("cannot give the terminal to user %d: %w", s.user.uid, err))
	}
	if s.beside != nil {
		s.streams = []*os.File{s.tty, s.tty, s.tty}
		return nil
	}
	for fd := range 3 {
		if err := sys.Replace(fd, s.tty); err != nil {
			return err
		}
	}
	return nil
}

// ownStreams gives anonymous pipes and sockets that are standard streams to the container's user, so that it can open
// /dev/stdout; never a file that lies in the host's file system.
func (s *stage) ownStreams() error {
	if s.user.uid == 0 || s.proc.Terminal {
		return nil
	}
	for _, f := range s.streams {
		magic, err := sys.FsMagic(f)
		if err != nil {
			return err
		}
		if magic != sys.MagicPipe && magic != sys.MagicSocket {
			continue
		}
		if err := f.Chown(s.user.uid, s.user.gid); err != nil {
			return s.user.explain(fmt.Errorf("cannot give the standard streams to user %d: %w", s.user.uid, err))
		}
	}
	return nil
}
