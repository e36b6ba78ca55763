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
	interrupts.yield(func(s syscall.Signal) { got = append(got, s) })
	if len(got) != 1 || got[0] != syscall.SIGTERM {
		t.Errorf("passed on: %v, want SIGTERM", got)
	}
}

func TestSignalsThatDidNotComeAreNotPassedOn(t *testing.T) {
	ctx, interrupts := untilSignal()
	interrupts.yield(func(s syscall.Signal) { t.Errorf("passed on: %v", s) })
	if ctx.Err() != nil {
		t.Errorf("cancelled: %v", ctx.Err())
	}
}

// Whoever executes another program in this process takes a signal that came before along, which that program would not know of.
func TestSignalThatCameKeepsFromExecuting(t *testing.T) {
	ctx, interrupts := untilSignal()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	err := interrupts.leave()
	if code, ok := exitInterrupted(ctx, err); !ok || code != 143 {
		t.Errorf("%v ends with %d, want the signal and 143", err, code)
	}
}

func TestWithoutSignalAnotherProgramIsExecuted(t *testing.T) {
	if _, interrupts := untilSignal(); interrupts.leave() != nil {
		t.Error("a signal came that nobody sent")
	}
}
