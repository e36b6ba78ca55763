package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interrupted is why a command was cancelled: its context's cause.
type interrupted struct{ signal syscall.Signal }

func (i *interrupted) Error() string { return i.signal.String() }

func (i *interrupted) Unwrap() error { return context.Canceled }

// interrupts are the signals that cancel a command.
type interrupts struct {
	came  chan os.Signal
	done  chan struct{} // closed when none of them cancels any more
	cause *interrupted  // what came, once done is closed; nil for none
}

// echo is how long a signal that came may come once more: timeout(1) sends it to the process, and to its group, which the process is in.
const echo = 100 * time.Millisecond

// untilSignal is a context for the whole of a command, with whose process it ends. The first ^C (or what a terminal that closes,
// or somebody who ends programs, sends) cancels what is under way, which cleans up after itself; the second one ends us. Nobody's reading
// our output is an error of the write: else it would end us before anything is cleaned up.
func untilSignal() (context.Context, *interrupts) {
	ctx, cancel := context.WithCancelCause(context.Background())
	i := &interrupts{came: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signal.Notify(i.came, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup(1)
		signal.Notify(i.came, syscall.SIGHUP)
	}
	go func() {
		defer close(i.done)
		if s, ok := <-i.came; ok {
			i.cause = &interrupted{s.(syscall.Signal)}
			cancel(i.cause)
			time.Sleep(echo)
			signal.Stop(i.came)
		}
	}()
	return ctx, i
}

// yield leaves all further signals to somebody who has asked for them already, and hands over the one that came before.
func (i *interrupts) yield(to func(syscall.Signal)) {
	signal.Stop(i.came)
	close(i.came)
	<-i.done
	if i.cause != nil {
		to(i.cause.signal)
	}
}

// leave is for who is about to execute another program in this process, which would know nothing of a signal that came: that is an error.
// From here on a signal ends us, until that program asks for some.
func (i *interrupts) leave() (err error) {
	i.yield(func(syscall.Signal) { err = i.cause })
	return err
}

// exitInterrupted is how a shell counts a program that a signal ended. false: none did.
func exitInterrupted(ctx context.Context, err error) (code int, ok bool) {
	var cause *interrupted
	if !errors.Is(err, context.Canceled) || !errors.As(context.Cause(ctx), &cause) {
		return 0, false
	}
	return 128 + int(cause.signal), true
}
