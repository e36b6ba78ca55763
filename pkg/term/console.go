package term

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/moby/term"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// DefaultDetachKeys leave an attached container running: Docker's and Podman's.
const DefaultDetachKeys = "ctrl-p,ctrl-q"

// IsTerminal says whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) }

// Raw puts a terminal into raw mode, where each key reaches the container as typed, also after this process was stopped and goes on: who had the
// terminal meanwhile has its own. The function it returns puts it back as it was, and may be called again.
func Raw(f *os.File) (restore func() error, err error) {
	state, err := term.SetRawTerminal(f.Fd())
	if err != nil {
		return nil, fmt.Errorf("cannot put the terminal into raw mode: %w", err)
	}
	stop := sync.OnceFunc(onSignal(syscall.SIGCONT, false, func() {
		_, _ = term.SetRawTerminal(f.Fd()) // one that was hung up ends us otherwise
	}))
	return func() error {
		stop()
		return term.RestoreTerminal(f.Fd(), state)
	}, nil
}

// onSignal calls handle for each signal, and at once if it is to be, until stop is called, which waits for a call that is under way.
func onSignal(wanted syscall.Signal, atOnce bool, handle func()) (stop func()) {
	came := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(came, wanted)
	if atOnce {
		select {
		case came <- wanted:
		default: // it has come meanwhile
		}
	}
	go func() {
		defer close(done)
		for range came {
			handle()
		}
	}()
	return func() {
		signal.Stop(came)
		close(came)
		<-done
	}
}

// ParseDetachKeys reads Docker's syntax: keys separated by commas, each one character or ctrl- with
// one of a-z @ ^ [ , _ \ ]. "" gives none, which disables detaching.
func ParseDetachKeys(keys string) ([]byte, error) {
	if keys == "" {
		return nil, nil
	}
	codes, err := term.ToBytes(keys)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot understand the detach keys %q: write them like %s, or a single letter for a key", keys, DefaultDetachKeys)
	}
	return codes, nil
}

// DetachReader passes on what is typed until keys appear; then Read fails with an error that
// IsDetach knows. A prefix of keys is held back until the next key decides.
func DetachReader(r io.Reader, keys []byte) io.Reader {
	if len(keys) == 0 {
		return r
	}
	return term.NewEscapeProxy(r, keys)
}

// IsDetach says whether a DetachReader ended because the keys were typed.
func IsDetach(err error) bool {
	var escape term.EscapeError
	return errors.As(err, &escape)
}

// Resizes calls resized with the terminal's size, rows and columns, at once and after every change until
// stop is called; stop waits for a call that is under way.
func Resizes(tty *os.File, resized func(rows, cols uint16)) (stop func()) {
	return onSignal(syscall.SIGWINCH, true, func() {
		if ws, err := term.GetWinsize(tty.Fd()); err == nil {
			resized(ws.Height, ws.Width)
		}
	})
}
