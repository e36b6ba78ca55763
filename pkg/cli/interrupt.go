package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// interrupted is why a command was cancelled: its context's cause.
type interrupted struct{ signal syscall.Signal }

func (i *interrupted) Error() string { return i.signal.String() }

func (i *interrupted) Unwrap() error { return context.Canceled }

// untilSignal is a context for the whole of a command, with whose process it ends. The first ^C (or what a terminal that closes,
// or somebody who ends programs, sends) cancels what is under way, which cleans up after itself; the second one ends us.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-came
		signal.Stop(came)
		cancel(&interrupted{s.(syscall.Signal)})
	}()
	return ctx
}

// exitInterrupted is how a shell counts a program that a signal ended. false: none did.
func exitInterrupted(ctx context.Context, err error) (code int, ok bool) {
	var cause *interrupted
	if !errors.Is(err, context.Canceled) || !errors.As(context.Cause(ctx), &cause) {
		return 0, false
	}
	return 128 + int(cause.signal), true
}
