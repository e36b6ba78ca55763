package sys

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The real-time signals as the C library counts them, which keeps the first two to itself: signal(7).
const (
	rtMin = 34
	rtMax = 64
)

// lastSignal is the kernel's _NSIG: as many bits are in its sets.
const lastSignal = 64

// ParseSignal reads a signal's name, with or without SIG and in any case, or its number: TERM, SIGRTMIN+3, 9.
func ParseSignal(s string) (sig syscall.Signal, ok bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return syscall.Signal(n), n > 0 && n <= rtMax
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n := unix.SignalNum("SIG" + name); n != 0 {
		return n, true
	}
	base, offset := 0, ""
	if rest, found := strings.CutPrefix(name, "RTMIN"); found {
		base, offset = rtMin, rest
	} else if rest, found := strings.CutPrefix(name, "RTMAX"); found {
		base, offset = rtMax, rest
	} else {
		return 0, false
	}
	n := 0
	if offset != "" {
		var err error
		if n, err = strconv.Atoi(offset); err != nil {
			return 0, false
		}
	}
	n += base
	return syscall.Signal(n), n >= rtMin && n <= rtMax
}

// UnblockSignals lets the calling thread, which is about to execute something, get all signals.
func UnblockSignals() error {
	return os.NewSyscallError("sigprocmask", unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil))
}

// DefaultSignals lets all signals do to the process, which is about to become something else, what they usually do: handlers are of no use then. Nor is that
// it was started to ignore some, as shells in the background and nohup(1) do: a program that is executed inherits that, and a shell cannot even trap them then (signal(7)).
func DefaultSignals() error {
	var normal [16]uintptr // of the kernel's struct sigaction the handler is first; zero is SIG_DFL, and no flag
	for n := uintptr(1); n <= lastSignal; n++ {
		if n == uintptr(unix.SIGKILL) || n == uintptr(unix.SIGSTOP) {
			continue
		}
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&normal)), 0, lastSignal/8, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction", e)
		}
	}
	return nil
}
