//go:build !moss_front

package cli

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// said passes on what a program says, but for its last line, which is why it failed where it did.
type said struct {
	to   io.Writer
	last []byte
}

func (s *said) Write(p []byte) (int, error) {
	all := append(s.last, p...)
	begin := bytes.LastIndexByte(bytes.TrimRight(all, "\r\n"), '\n') + 1
	s.last = bytes.Clone(all[begin:])
	if _, err := s.to.Write(all[:begin]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ended is how the program ended, in one sentence.
func (s *said) ended(what string, err error) error {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) { // what it has left behind may still hold its standard error
		_, err = s.to.Write(s.last)
		return err
	}
	reason := strings.TrimPrefix(strings.TrimSpace(string(s.last)), "moss: ")
	switch {
	case ofPipe(err): // what it said last was of its progress
		reason = syscall.EPIPE.Error()
	case reason == "":
		reason = err.Error()
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot %s the image: %s", what, reason)
}

// ofPipe says whether a program, or one that it ran far away, was ended for writing to where nobody reads any more.
func ofPipe(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return exit.ExitCode() == 128+int(syscall.SIGPIPE) || ok && status.Signaled() && status.Signal() == syscall.SIGPIPE
}

// firstCause is why a copy failed of which perhaps both ends did: who sends fails for want of a reader, and who receives for want of an image.
func firstCause(sent, received error) error {
	if sent == nil || received != nil && strings.Contains(strings.ToLower(sent.Error()), "broken pipe") {
		return received
	}
	return sent
}
