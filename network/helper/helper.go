// Package helper is about the programs that serve all of a user's containers, one process of each kind: whoever needs one asks the one that
// runs, or starts it. Their files are in the network's run directory.
package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Kind is one kind of helper, and begins the names of its files.
type Kind string

// The kinds.
const (
	DNS   Kind = "dns"   // the DNS server: package dns
	Ports Kind = "ports" // the forwarder of published ports: package published
)

// Record is the file that names the process (sys.WriteProcess). One that ends because nobody needs it removes it.
func (k Kind) Record(runDir string) string { return k.file(runDir, "pid") }

// LockName is the file that is locked by whoever starts a helper, and by one that is about to end.
func (k Kind) LockName(runDir string) string { return k.file(runDir, "lock") }

// Log is the file with what it wrote to its standard error.
func (k Kind) Log(runDir string) string { return k.file(runDir, "log") }

// Socket is the socket on which it is asked, in the run directory.
func (k Kind) Socket() string { return string(k) + ".sock" }

func (k Kind) file(runDir, suffix string) string {
	return filepath.Join(runDir, string(k)+"."+suffix)
}

// Pid is the user's helper; ok is false when none lives.
func (k Kind) Pid(runDir string) (pid int, ok bool) { return sys.ReadProcess(k.Record(runDir)) }

// Dial connects to the one that runs. The error is ErrNone when there is none.
func (k Kind) Dial(runDir string) (*os.File, error) {
	conn, err := sys.DialUnix(runDir, k.Socket())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	return conn, nil
}

// ErrNone says that there is no helper to ask, or none that can be used: it is replaced.
var ErrNone = errors.New("nobody serves that")

// Ready is what a helper answers when all is well, and foreign what it says to one for whose namespace it cannot do its work: it is replaced then.
const (
	Ready   = "ready\n"
	foreign = "foreign\n"
)

// Answer is how a helper tells an outcome, in one line.
func Answer(err error) string {
	if err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ") + "\n"
	}
	return Ready
}

// answerTimeout is how long a helper may take to answer; usually it is a millisecond. One that does not is replaced.
const answerTimeout = 5 * time.Second

// maxAnswer is more than any answer has, in bytes.
const maxAnswer = 4096

// Ask tells a helper for which namespace it is asked, in a word, and reads its answer.
func Ask(ctx context.Context, conn *os.File, namespace string) error {
	if _, err := fmt.Fprintln(conn, namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrNone, err)
	}
	return hear(ctx, conn)
}

// Asked is the helper's side of Ask, for its own namespace. Where it is true, an answer is to follow.
func Asked(conn *os.File, own string) bool {
	if conn.SetDeadline(time.Now().Add(answerTimeout)) != nil {
		return false
	}
	wanted, err := line(conn)
	if err != nil {
		return false
	}
	if wanted != own+"\n" {
		_, _ = io.WriteString(conn, foreign)
		return false
	}
	return conn.SetDeadline(time.Time{}) == nil
}

// hear reads a helper's answer, one line. An end, or silence, is ErrNone, and so is foreign; any other but Ready is an error.
func hear(ctx context.Context, conn *os.File) error {
	if err := conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	answer, err := line(conn)
	if !stop() && ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: who was asked did not answer: %w", ErrNone, err)
	case answer == foreign:
		return fmt.Errorf("%w in this namespace", ErrNone)
	case answer != Ready:
		return errors.New(strings.TrimSpace(answer))
	}
	return conn.SetReadDeadline(time.Time{})
}

// line reads a line and nothing more.
func line(r io.Reader) (string, error) {
	var text []byte
	for b := make([]byte, 1); len(text) < maxAnswer; {
		if _, err := io.ReadFull(r, b); err != nil {
			return "", err
		}
		if text = append(text, b[0]); b[0] == '\n' {
			break
		}
	}
	return string(text), nil
}
