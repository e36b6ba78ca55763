package test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mosscontainers/moss/pkg/sys"
)

// runOnTerminal FILE PROGRAM ARG...: run the program on a terminal of 24 lines and 80 columns, and do what
// the file says, a line each:
//
//	expect REGEXP      wait until what appeared since the last expect matches
//	send TEXT          type it; \r, \x03 and the like as in Go
//	resize ROWS COLS   change the window's size
//	exit CODE          the program ends with this exit code; without it, with 0
func runOnTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: tty FILE PROGRAM ARG...")
	}
	cmd, err := command(ts, args[1:])
	ts.Check(err)
	term, err := startOnTerminal(cmd)
	ts.Check(err)
	code := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb == "exit" {
			code, err = strconv.Atoi(rest)
		} else {
			err = term.do(verb, rest)
		}
		if err != nil {
			term.kill()
			ts.Fatalf("%s: %v; the terminal showed:\n%s", strings.TrimSpace(line), err, term.all())
		}
	}
	err = term.wait(code)
	ts.Logf("%s", term.all())
	ts.Check(err)
}

type terminal struct {
	cmd    *exec.Cmd
	master *os.File
	reader sync.WaitGroup

	mu   sync.Mutex
	seen []byte
	from int // where the next expect begins to look
}

func startOnTerminal(cmd *exec.Cmd) (*terminal, error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	slave, err := sys.OpenPTY(master)
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	defer slave.Close()
	t := &terminal{cmd: cmd, master: master}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := errors.Join(sys.SetWinsize(slave, 24, 80), cmd.Start()); err != nil {
		return nil, errors.Join(err, master.Close())
	}
	t.reader.Go(t.read)
	return t, nil
}

// read collects what appears, until nobody has the terminal open any more (EIO).
func (t *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := t.master.Read(buf)
		t.mu.Lock()
		t.seen = append(t.seen, buf[:n]...)
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (t *terminal) do(verb, rest string) error {
	switch verb {
	case "", "#":
		return nil
	case "expect":
		return t.expect(rest)
	case "send":
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(rest, `"`, `\"`) + `"`)
		if err != nil {
			return err
		}
		_, err = t.master.WriteString(text)
		return err
	case "resize":
		var rows, cols uint16
		if _, err := fmt.Sscan(rest, &rows, &cols); err != nil {
			return err
		}
		return sys.SetWinsize(t.master, rows, cols)
	default:
		return fmt.Errorf("unknown line")
	}
}

func (t *terminal) expect(pattern string) error {
	want, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	return eventually(func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		at := want.FindIndex(t.seen[t.from:])
		if at == nil {
			return errors.New("it never appeared")
		}
		t.from += at[1]
		return nil
	})
}

// wait waits for the program to end by itself, with the exit code want.
func (t *terminal) wait(want int) error {
	done := make(chan error, 1)
	go func() { done <- t.cmd.Wait() }() // ends with the program, which kill below ends
	var got error
	ended := false
	err := eventually(func() error {
		select {
		case got = <-done:
			ended = true
		default:
			if !ended {
				return errors.New("the program does not end")
			}
		}
		return nil
	})
	if err != nil {
		t.kill()
		<-done
	}
	err = errors.Join(err, t.master.Close())
	t.reader.Wait()
	if code := t.cmd.ProcessState.ExitCode(); err == nil && code != want {
		return fmt.Errorf("exit code %d, want %d (%v)", code, want, got)
	}
	return err
}

func (t *terminal) kill() { _ = t.cmd.Process.Kill() }

// all is everything that appeared, with carriage returns taken out.
func (t *terminal) all() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.ReplaceAll(t.seen, []byte("\r"), nil)
}
