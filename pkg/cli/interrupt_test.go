package cli

import (
	"os"
	"syscall"
	"testing"
)

// A signal between the container's start and the moment from which signals are passed on is for the container too.
func TestSignalThatCameBeforeIsPassedOn(t *testing.T) {
	ctx, interrupts := untilSignal()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	var got []syscall.Signal
	interrupts.yield(ctx, func(s syscall.Signal) { got = append(got, s) })
	if len(got) != 1 || got[0] != syscall.SIGTERM {
		t.Errorf("passed on: %v, want SIGTERM", got)
	}
}

func TestSignalsThatDidNotComeAreNotPassedOn(t *testing.T) {
	ctx, interrupts := untilSignal()
	interrupts.yield(ctx, func(s syscall.Signal) { t.Errorf("passed on: %v", s) })
	if ctx.Err() != nil {
		t.Errorf("cancelled: %v", ctx.Err())
	}
}
