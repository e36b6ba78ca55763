package monitor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mosscontainers/moss/libpod/monitor/doze"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Keep and Adopt let a process of the host outlive the program that started it.
func (hostLauncher) Keep(p runtime.Process) (runtime.Kept, bool) {
	return runtime.Kept{Pid: p.Pid()}, sys.IsFirstThread()
}

func (hostLauncher) Adopt(k runtime.Kept) (runtime.Process, error) {
	return adopted{&sys.Child{Pid: k.Pid}}, nil
}

type adopted struct{ child *sys.Child }

func (a adopted) Pid() int                    { return a.child.Pid }
func (a adopted) Ready(context.Context) error { return errors.ErrUnsupported }
func (a adopted) Start() error                { return errors.ErrUnsupported }
func (a adopted) Console() *os.File           { return nil }
func (a adopted) Delete() error               { return nil }
func (a adopted) Wait() (int, error) {
	status, err := a.child.Wait()
	if status.Signaled() {
		return 128 + int(status.Signal()), err
	}
	return status.ExitStatus(), err
}

// sleepy starts a container whose monitor sleeps as soon as nothing happens, and waits until it does.
func (b *box) sleepy() *box {
	b.Helper()
	if program, err := doze.Program(); err != nil {
		b.Fatalf("run make build first: %v", err)
	} else {
		program.Close()
	}
	b.req.DozeAfter = 100
	b.start(false)
	b.asleep()
	return b
}

func (b *box) asleep() {
	b.Helper()
	b.until("the monitor sleeps", func() bool { return strings.HasPrefix(b.program(), "/memfd:moss-doze") })
}

// program is what the monitor's process runs.
func (b *box) program() string {
	program, _ := os.Readlink("/proc/" + strconv.Itoa(b.pids.Monitor.Pid) + "/exe")
	return program
}

// signal is a file for which a container's script waits, and the command by which it does.
func (b *box) signal() (path, await string) {
	path = filepath.Join(b.TempDir(), "signal")
	return path, "until rm " + path + " 2>/dev/null; do sleep 0.02; done; "
}

// fifo is a named pipe that a container's script reads from.
func (b *box) fifo() string {
	path := filepath.Join(b.TempDir(), "fifo")
	b.must(syscall.Mkfifo(path, 0o600))
	return path
}

func TestMonitorSleepsAndNothingIsLost(t *testing.T) {
	b := newBox(t)
	signal, await := b.signal()
	b.process.Args = []string{"/bin/sh", "-c", "echo first; " + await + "echo second; echo third >&2; " + await + "seq 1 100000; exit 9"}
	b.sleepy()
	b.must(os.WriteFile(signal, nil, 0o600))
	b.until("output of a container whose monitor slept", func() bool { o, e := b.log(); return o == "first\nsecond\n" && e == "third\n" })
	b.asleep()
	b.until("it has its name", func() bool {
		name, _ := os.ReadFile("/proc/" + strconv.Itoa(b.pids.Monitor.Pid) + "/comm")
		return string(name) == "moss-monitor\n"
	})
	conn := b.dial()
	b.must(os.WriteFile(signal, nil, 0o600))
	var o bytes.Buffer
	code, _, err := Attach(t.Context(), conn, Streams{Out: &o}, AttachOptions{})
	b.must(err)
	if code != 9 {
		t.Error("exit code", code)
	}
	b.wait()
	out, _ := b.log()
	if !strings.HasSuffix(out, "\n99999\n100000\n") {
		t.Errorf("the log of %d bytes ends too early", len(out))
	}
	if !strings.HasSuffix(o.String(), "\n100000\n") {
		t.Errorf("output of %d bytes ends too early", o.Len())
	}
	b.same("record", b.record(), `exited {"Code":9,"Restarts":0,"Again":false}`+"\n")
}

func TestSleepingMonitorPassesASignalOn(t *testing.T) {
	b := shell(t, "trap 'echo told; exit 5' TERM; while :; do sleep 0.05; done").sleepy()
	b.must(b.pids.Monitor.Signal(syscall.SIGTERM))
	b.wait()
	out, _ := b.log()
	b.same("log", out, "told\n")
	b.same("record", b.record(), `exited {"Code":5,"Restarts":0,"Again":false}`+"\n")
}

func TestSleepingMonitorIgnoresWhatTheOtherIgnores(t *testing.T) {
	b := shell(t, "exec sleep 1000").sleepy()
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGALRM} {
		b.must(b.pids.Monitor.Signal(s))
	}
	time.Sleep(50 * time.Millisecond)
	if !strings.HasPrefix(b.program(), "/memfd:moss-doze") {
		t.Error("it woke up")
	}
	b.must(b.pids.Container.Signal(syscall.SIGKILL))
	b.wait()
	b.same("record", b.record(), `exited {"Code":137,"Restarts":0,"Again":false}`+"\n")
}

func TestSleepingMonitorRestarts(t *testing.T) {
	b := newBox(t)
	signal, await := b.signal()
	b.process.Args = []string{"/bin/sh", "-c", "echo life; grep -E 'Sig(Blk|Ign)' /proc/self/status; " + await + "exit 4"}
	b.req.Restart = Restart{Policy: RestartOnFailure, Retries: 2}
	b.sleepy()
	for i := range 3 {
		b.until("a life", func() bool { o, _ := b.log(); return strings.Count(o, "life") == i+1 })
		b.asleep()
		b.must(os.WriteFile(signal, nil, 0o600))
	}
	b.wait()
	out, _ := b.log()
	lives := strings.SplitAfter(out, "life\n")[1:]
	if len(lives) != 3 || strings.TrimSuffix(lives[1], "life\n") != strings.TrimSuffix(lives[0], "life\n") {
		t.Errorf("lives differ: %q", lives)
	}
	b.same("record", b.record(), `exited {"Code":4,"Restarts":0,"Again":true}
running 1
exited {"Code":4,"Restarts":1,"Again":true}
running 2
exited {"Code":4,"Restarts":2,"Again":false}
`)
}

func TestSleepingMonitorKeepsTheTerminal(t *testing.T) {
	b := shell(t, "while read line; do echo got $line; stty size; done")
	b.req.Terminal, b.req.OpenStdin = true, true
	b.sleepy()
	b.conn = b.dial()
	_, err := b.conn.Write(resizeFrame(33, 77))
	b.must(err)
	keys := []byte{16, 17}
	var o bytes.Buffer
	b.attach(Streams{In: strings.NewReader("one\n\x10\x11"), Out: &o}, AttachOptions{DetachKeys: keys})
	b.until("the first answer", func() bool { out, _ := b.log(); return out == "one\r\ngot one\r\n33 77\r\n" })
	b.asleep()
	b.conn = b.dial()
	in, inW := io.Pipe()
	go inW.Write([]byte("two\n\x04"))
	code, _ := b.attach(Streams{In: in, Out: &o}, AttachOptions{})
	if code != 0 {
		t.Error("exit code", code)
	}
	out, _ := b.log()
	b.same("log", out, "one\r\ngot one\r\n33 77\r\ntwo\r\ngot two\r\n33 77\r\n")
}

func TestMonitorWithAClientStaysAwake(t *testing.T) {
	b := newBox(t, "cat")
	b.req.OpenStdin, b.req.DozeAfter = true, 1
	b.start(true)
	time.Sleep(200 * time.Millisecond)
	if strings.HasPrefix(b.program(), "/memfd:moss-doze") {
		t.Fatal("it sleeps")
	}
	in, inW := io.Pipe()
	out, outW := io.Pipe()
	go Attach(b.Context(), b.conn, Streams{In: in, Out: outW}, AttachOptions{})
	for range 20 {
		inW.Write([]byte("x"))
		io.ReadFull(out, make([]byte, 1))
	}
}

func TestMonitorIsWokenWhileItFallsAsleep(t *testing.T) {
	b := newBox(t)
	fifo := b.fifo()
	b.process.Args = []string{"/bin/sh", "-c", "i=0; while read x; do i=$((i+1)); echo $i; done <" + fifo}
	b.req.DozeAfter = 1
	b.start(false)
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	b.must(err)
	var want strings.Builder
	for i := range 300 {
		_, err := w.WriteString("\n")
		b.must(err)
		want.WriteString(strconv.Itoa(i+1) + "\n")
		time.Sleep(time.Duration(i%7) * time.Millisecond)
		if i%10 == 0 {
			b.dial().Close()
		}
	}
	w.Close()
	b.wait()
	out, _ := b.log()
	b.same("log", out, want.String())
	b.same("record", b.record(), `exited {"Code":0,"Restarts":0,"Again":false}`+"\n")
}
