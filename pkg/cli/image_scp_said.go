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
	var exit *exec.ExitError
	switch {
	case reason == "" && errors.As(err, &exit) && exit.ExitCode() == 128+int(syscall.SIGPIPE):
		reason = syscall.EPIPE.Error()
	case reason == "":
		reason = err.Error()
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "cannot %s the image: %s", what, reason)
}

// firstCause is why a copy failed of which perhaps both ends did: who sends fails for want of a reader, and who receives for want of an image.
func firstCause(sent, received error) error {
	if sent == nil || received != nil && strings.Contains(strings.ToLower(sent.Error()), "broken pipe") {
		return received
	}
	return sent
}
