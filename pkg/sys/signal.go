package sys

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The real-time signals as the C library counts them, which keeps the first two to itself: signal(7).
const (
	rtMin = 34
	rtMax = 64
)

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
