package monitor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/monitor/logs"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// TestMain lets the test binary be the monitor too, as cmd/moss-monitor is.
func TestMain(m *testing.M) {
	if os.Args[0] == "moss-monitor" {
		os.Exit(Main(Hooks{
			Launcher: func(*Request) (runtime.Launcher, error) { return hostLauncher{}, nil },
			Recorder: func(r *Request) (Recorder, error) { return &fileRecorder{r.StateDir}, nil },
		}))
	}
	os.Exit(m.Run())
}

// hostLauncher runs a command of the host as if it were a container: what a monitor does is the same.
type hostLauncher struct{}

type hostProcess struct {
	cmd     *exec.Cmd
	release *os.File
	console *os.File
	// neverReady is for who gives it up.
	neverReady bool
}

// slow is the name of a container that takes for ever to set up, until it is given up.
const slow = "slow"

func (hostLauncher) Create(_ context.Context, e runtime.Encoded, stdio runtime.Stdio, _ *os.File) (runtime.Process, error) {
	b, err := e.Decode()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	p := &hostProcess{release: write, neverReady: b.Spec.Hostname == slow}
	args := b.Spec.Process.Args
	if _, err := exec.LookPath(args[0]); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNoCommand, "cannot find %s", args[0])
	}
	p.cmd = exec.Command("/bin/sh", append([]string{"-c", `read x <&3; exec 3<&-; exec "$@"`, "sh"}, args...)...)
	p.cmd.ExtraFiles = []*os.File{read}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdio.Stdin, stdio.Stdout, stdio.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.Spec.Process.Terminal {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			return nil, err
		}
		slave, err := sys.OpenPTY(master)
		if err != nil {
			return nil, err
		}
		defer slave.Close()
		p.console = master
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
		p.cmd.SysProcAttr.Setctty = true
	}
	return p, p.cmd.Start()
}

func (p *hostProcess) Pid() int          { return p.cmd.Process.Pid }
func (p *hostProcess) Console() *os.File { return p.console }
func (p *hostProcess) Delete() error     { return nil }
func (p *hostProcess) Ready(ctx context.Context) error {
	if !p.neverReady {
		return nil
	}
	<-ctx.Done()
	return errors.Join(ctx.Err(), p.cmd.Process.Kill(), p.release.Close())
}

func (p *hostProcess) Start() error {
	_, err := p.release.Write([]byte("\n"))
	return errors.Join(err, p.release.Close())
}

func (p *hostProcess) Wait() (int, error) {
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status := exit.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return status.ExitStatus(), nil
	}
	return 0, err
}

// Began is what every monitor tells; the run directory is looked at instead.
func (r *fileRecorder) Began() error { return nil }

// Hold has nobody to tell.
func (r *fileRecorder) Hold() (*os.File, error) { return nil, nil }

// Lasts is told whoever lives longer than a test.
func (r *fileRecorder) Lasts() error { return nil }

// fileRecorder writes a line for every call.
type fileRecorder struct{ dir string }

func (f *fileRecorder) say(what string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(f.dir+"/record", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = out.WriteString(what + " " + string(data) + "\n")
	return errors.Join(err, out.Close())
}

func (f *fileRecorder) Running(_ Pids, last Exit) error { return f.say("running", last.Restarts+1) }

func (f *fileRecorder) Exited(e Exit, again bool) (bool, error) {
	stop, _ := f.StopRequested()
	return stop, f.say("exited", struct {
		Code, Restarts int
		Again          bool
	}{e.Code, e.Restarts, again})
}

func (f *fileRecorder) StopRequested() (bool, error) {
	_, err := os.Stat(f.dir + "/stop")
	return err == nil, nil
}

func (f *fileRecorder) Remove() error { return f.say("removed", nil) }
func (f *fileRecorder) Forget() error { return f.say("forgotten", nil) }

// box is one container of a test.
type box struct {
	*testing.T
	req     *Request
	process *specs.Process
	name    string // the container's host name
	handle  *Handle
	conn    *os.File
	pids    Pids
	exited  chan struct{}
	waiting sync.Once
}

func newBox(t *testing.T, args ...string) *box {
	dir := t.TempDir()
	return &box{T: t, req: &Request{
		ContainerID: "test", RunDir: dir, StateDir: dir,
		Log: Log{Driver: LogK8sFile, Path: dir + "/ctr.log"},
	}, process: &specs.Process{Args: args}}
}

func shell(t *testing.T, script string) *box { return newBox(t, "/bin/sh", "-c", script) }

func (b *box) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// spawn starts the monitor and the container.
func (b *box) spawn(attach bool) error {
	b.tell(attach)
	var err error
	b.pids, err = b.handle.Start(b.Context())
	return err
}

// tell starts the monitor and tells it what to do; with attach, with a client that is there from the first byte on.
func (b *box) tell(attach bool) {
	var passed Passed
	if attach {
		conn, theirs, err := Pair()
		b.must(err)
		defer theirs.Close()
		b.conn, passed.Attach = conn, theirs
	}
	b.process.Terminal = b.req.Terminal
	var err error
	b.req.Bundle, err = (&runtime.Bundle{ID: "test", Spec: &specs.Spec{Process: b.process, Hostname: b.name}}).Encode()
	b.must(err)
	h, err := Spawn(b.Context(), "/proc/self/exe", b.req.ContainerID, nil)
	if err == nil {
		err = h.Send(b.req, passed)
	}
	if err == nil {
		err = h.Connect(&b.req.Wiring)
	}
	b.must(err)
	b.handle, b.exited = h, make(chan struct{})
	b.Cleanup(func() {
		h.Close()
		b.pids.Container.Signal(syscall.SIGKILL)
		b.wait()
	})
}

func (b *box) start(attach bool) *box {
	b.Helper()
	b.must(b.spawn(attach))
	return b
}

// wait waits for the monitor's end.
func (b *box) wait() { b.waiting.Do(func() { b.handle.Wait() }) }

func (b *box) attach(s Streams, o AttachOptions) (int, bool) {
	b.Helper()
	code, detached, err := Attach(b.Context(), b.conn, s, o)
	b.must(err)
	return code, detached
}

func (b *box) dial() *os.File {
	b.Helper()
	conn, err := Dial(b.req.RunDir)
	b.must(err)
	return conn
}

func (b *box) log() (stdout, stderr string) {
	b.Helper()
	var o, e bytes.Buffer
	b.must(logs.Read(b.Context(), b.req.Log.Path, logs.Options{Tail: -1}, logs.Sink{Stdout: &o, Stderr: &e}))
	return o.String(), e.String()
}

func (b *box) record() string {
	data, _ := os.ReadFile(filepath.Join(b.req.StateDir, "record"))
	return string(data)
}

func (b *box) same(what, got, want string) {
	b.Helper()
	if got != want {
		if len(got) > 400 || len(want) > 400 {
			b.Fatalf("%s: got %d bytes, want %d", what, len(got), len(want))
		}
		b.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// until polls for something that happens in another process.
func (b *box) until(what string, ok func() bool) {
	b.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.Fatal("did not happen: " + what)
}

func TestOutputReachesClientAndLog(t *testing.T) {
	b := shell(t, "echo out; echo err >&2; exit 7").start(true)
	var o, e bytes.Buffer
	code, _ := b.attach(Streams{Out: &o, Err: &e}, AttachOptions{})
	if code != 7 {
		t.Fatal("exit code", code)
	}
	b.same("stdout", o.String(), "out\n")
	b.same("stderr", e.String(), "err\n")
	so, se := b.log()
	b.same("log", so+se, "out\nerr\n")
	b.same("record", b.record(), `exited {"Code":7,"Restarts":0,"Again":false}`+"\n")
	exit, err := ReadExit(b.req.RunDir)
	if err != nil || exit.Code != 7 {
		t.Fatal(exit, err)
	}
	b.wait()
	if _, err := Dial(b.req.RunDir); !errors.Is(err, errdefs.ErrConflict) {
		t.Fatal("attach to a container that ended:", err)
	}
}

func TestNothingOfMuchOutputIsLost(t *testing.T) {
	b := shell(t, `seq 1 3000000 & seq 1 3000000 >&2 & wait`).start(true)
	var o, e bytes.Buffer
	b.attach(Streams{Out: &o, Err: &e}, AttachOptions{})
	var want bytes.Buffer
	seq := exec.Command("seq", "1", "3000000")
	seq.Stdout = &want
	b.must(seq.Run())
	b.same("stdout", o.String(), want.String())
	b.same("stderr", e.String(), want.String())
	so, se := b.log()
	b.same("stdout in the log", so, want.String())
	b.same("stderr in the log", se, want.String())
}

func TestBinaryOutputWithoutNewline(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	b := newBox(t, "cat", filepath.Join(t.TempDir(), "bytes"))
	b.must(os.WriteFile(b.process.Args[1], all, 0o600))
	b.start(true)
	var o bytes.Buffer
	b.attach(Streams{Out: &o}, AttachOptions{})
	b.same("stdout", o.String(), string(all))
	so, _ := b.log()
	b.same("log", so, string(all))
}

func TestEndOfInputReachesTheProcess(t *testing.T) {
	b := newBox(t, "sha256sum")
	b.req.OpenStdin, b.req.StdinOnce = true, true
	b.start(true)
	var o bytes.Buffer
	b.attach(Streams{In: io.LimitReader(zeros{}, 5<<20), Out: &o}, AttachOptions{})
	b.same("stdout", o.String(), "c036cbb7553a909f8b8877d4461924307f27ecb66cff928eeeafd569c3887e29  -\n")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestWithoutInteractiveInputIsEmpty(t *testing.T) {
	b := shell(t, "cat; echo end").start(true)
	var o bytes.Buffer
	b.attach(Streams{In: strings.NewReader("ignored"), Out: &o}, AttachOptions{})
	b.same("stdout", o.String(), "end\n")
}

func TestDetachAndAttachAgain(t *testing.T) {
	b := newBox(t, "cat")
	b.req.OpenStdin = true
	b.start(true)
	keys := []byte{16, 17}
	var first bytes.Buffer
	if _, detached := b.attach(Streams{In: strings.NewReader("one\n\x10\x11"), Out: &first}, AttachOptions{DetachKeys: keys}); !detached {
		t.Fatal("not detached")
	}
	b.until("the first line is in the log", func() bool { o, _ := b.log(); return o == "one\n" })
	b.conn = b.dial()
	out, outW := io.Pipe()
	in, inW := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		b.attach(Streams{In: in, Out: outW}, AttachOptions{})
		outW.Close()
	})
	inW.Write([]byte("two\n"))
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n')
	if line == "one\n" { // it is in the log before it is passed on
		line, _ = lines.ReadString('\n')
	}
	wg.Go(func() { io.Copy(io.Discard, lines) })
	b.same("stdout", line, "two\n")
	b.pids.Container.Signal(syscall.SIGTERM)
	b.wait()
	wg.Wait()
	b.same("record", b.record(), `exited {"Code":143,"Restarts":0,"Again":false}`+"\n")
}

func TestTwoClientsSeeTheSame(t *testing.T) {
	b := newBox(t, "cat")
	b.req.OpenStdin, b.req.StdinOnce = true, true
	b.start(true)
	second := b.dial()
	var o1, o2 bytes.Buffer
	in, inW := io.Pipe()
	done := make(chan error)
	go func() {
		_, _, err := Attach(b.Context(), second, Streams{Out: &o2}, AttachOptions{})
		done <- err
	}()
	// The second is there once the monitor has accepted it: its resize frame does no harm here.
	time.Sleep(100 * time.Millisecond)
	go func() {
		inW.Write(bytes.Repeat([]byte("x\n"), 100000))
		inW.Close()
	}()
	b.attach(Streams{In: in, Out: &o1}, AttachOptions{})
	b.must(<-done)
	b.same("first", o1.String(), strings.Repeat("x\n", 100000))
	b.same("second", o2.String(), o1.String())
}

func TestKilledClientHoldsNothingUp(t *testing.T) {
	b := shell(t, "seq 1 1000000; echo done >&2").start(true)
	b.conn.Close()
	b.wait()
	_, e := b.log()
	b.same("stderr", e, "done\n")
}

func TestClientThatNeverReadsDoesNotHideTheExit(t *testing.T) {
	b := shell(t, "seq 1 20000; exit 3").start(true) // fits into what may wait for a client
	b.until("exit recorded", func() bool { return b.record() != "" })
	var o bytes.Buffer
	code, _ := b.attach(Streams{Out: &o}, AttachOptions{})
	if code != 3 || !strings.HasSuffix(o.String(), "20000\n") {
		t.Fatal(code, o.Len())
	}
}

func TestTerminalEchoResizeAndEnd(t *testing.T) {
	b := shell(t, "read line; stty size; echo got $line; seq 1 2000")
	b.req.Terminal, b.req.OpenStdin, b.req.StdinOnce = true, true, true
	b.start(true)
	_, err := b.conn.Write(resizeFrame(33, 77))
	b.must(err)
	var o bytes.Buffer
	b.attach(Streams{In: strings.NewReader("hello\n"), Out: &o}, AttachOptions{})
	var want strings.Builder
	want.WriteString("hello\r\n33 77\r\ngot hello\r\n")
	for i := range 2000 {
		want.WriteString(string(appendInt(nil, i+1)) + "\r\n")
	}
	b.same("terminal", o.String(), want.String())
}

func appendInt(b []byte, i int) []byte { j, _ := json.Marshal(i); return append(b, j...) }

func TestEndOfInputOnATerminal(t *testing.T) {
	b := newBox(t, "wc", "-c")
	b.req.Terminal, b.req.OpenStdin, b.req.StdinOnce = true, true, true
	b.start(true)
	var o bytes.Buffer
	b.attach(Streams{In: strings.NewReader("abc\n"), Out: &o}, AttachOptions{})
	b.same("terminal", o.String(), "abc\r\n4\r\n")
}

func TestLogNone(t *testing.T) {
	b := shell(t, "echo x")
	b.req.Log = Log{Driver: LogNone}
	b.start(true)
	var o bytes.Buffer
	b.attach(Streams{Out: &o}, AttachOptions{})
	b.same("stdout", o.String(), "x\n")
	if _, err := os.Stat(b.req.RunDir + "/ctr.log"); err == nil {
		t.Fatal("a log was written")
	}
}

func TestRestartOnFailureCounts(t *testing.T) {
	b := shell(t, "echo life; exit 4")
	b.req.Restart = Restart{Policy: RestartOnFailure, Retries: 2}
	b.start(true)
	var o bytes.Buffer
	if code, _ := b.attach(Streams{Out: &o}, AttachOptions{}); code != 4 {
		t.Fatal("exit code", code)
	}
	b.same("stdout", o.String(), "life\nlife\nlife\n")
	b.same("record", b.record(), `exited {"Code":4,"Restarts":0,"Again":true}
running 1
exited {"Code":4,"Restarts":1,"Again":true}
running 2
exited {"Code":4,"Restarts":2,"Again":false}
`)
}

func TestStopRequestEndsRestarts(t *testing.T) {
	b := shell(t, "exec sleep 1000")
	b.req.Restart = Restart{Policy: RestartAlways}
	b.start(false)
	b.must(b.pids.Container.Signal(syscall.SIGKILL))
	b.until("second life", func() bool { return strings.Contains(b.record(), "running 1") })
	b.must(os.WriteFile(b.req.StateDir+"/stop", nil, 0o600))
	pids, err := ReadLife(b.req.RunDir)
	b.must(err)
	b.must(pids.Container.Signal(syscall.SIGKILL))
	b.wait()
	b.same("record", b.record(), `exited {"Code":137,"Restarts":0,"Again":true}
running 1
exited {"Code":137,"Restarts":1,"Again":true}
`)
}

func TestStopInThePauseIsRecordedBeforeTheEndIsTold(t *testing.T) {
	b := shell(t, "exit 4")
	b.req.Restart = Restart{Policy: RestartAlways}
	b.start(true)
	b.until("a longer pause", func() bool { return strings.Contains(b.record(), `"Restarts":2,"Again":true`) })
	b.must(os.WriteFile(b.req.StateDir+"/stop", nil, 0o600))
	b.must(b.pids.Monitor.Signal(syscall.SIGTERM))
	if code, _ := b.attach(Streams{}, AttachOptions{}); code != 4 {
		t.Fatal("exit code", code)
	}
	if !strings.HasSuffix(b.record(), `"Restarts":2,"Again":false}`+"\n") {
		t.Fatal(b.record())
	}
}

func TestTermOfTheMonitorEndsTheContainer(t *testing.T) {
	b := shell(t, "exec sleep 1000")
	b.req.Restart = Restart{Policy: RestartAlways}
	b.start(false)
	b.must(b.pids.Monitor.Signal(syscall.SIGTERM))
	b.wait()
	b.same("record", b.record(), `exited {"Code":143,"Restarts":0,"Again":false}`+"\n")
}

func TestRemoveAndCleanup(t *testing.T) {
	b := shell(t, "exit 0")
	lease := filepath.Join(t.TempDir(), "lease")
	b.must(os.WriteFile(lease, nil, 0o600))
	b.req.Remove, b.req.Wiring.Cleanup = true, []string{lease}
	b.start(false).wait()
	if !strings.HasSuffix(b.record(), "removed null\n") {
		t.Fatal(b.record())
	}
	if _, err := os.Stat(lease); err == nil {
		t.Fatal("the lease is still there")
	}
}

func TestUnknownCommandKeepsItsKind(t *testing.T) {
	b := newBox(t, "/no/such/program")
	if err := b.spawn(false); !errors.Is(err, errdefs.ErrNoCommand) {
		t.Fatal(err)
	}
	b.wait()
	b.same("record", b.record(), "")
}

func TestContainerThatIsCancelledDoesNotRun(t *testing.T) {
	b := shell(t, "exec sleep 1000")
	b.name = slow // it would run before anybody could cancel it
	b.tell(false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.handle.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("start: %v", err)
	}
	b.wait() // it runs for as long as its container
	if _, err := os.Stat(b.req.RunDir + "/life"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the life of a container that never ran: %v", err)
	}
}

func TestTermOfTheMonitorBeforeTheStartIsTold(t *testing.T) {
	b := shell(t, "exec sleep 1000")
	b.name = slow
	b.tell(false)
	b.until("the monitor waits", func() bool { return sys.Exists(b.req.RunDir + "/attach") })
	b.must(syscall.Kill(b.handle.Pid(), syscall.SIGTERM))
	if _, err := b.handle.Start(t.Context()); err == nil || err.Error() != errGivenUp.Error() {
		t.Errorf("start: %v", err)
	}
	b.wait()
}

func TestContainerThatVanishesIsForgottenWithItsCaller(t *testing.T) {
	b := shell(t, "exit 0")
	b.req.Remove = true
	var err error
	b.req.Bundle, err = (&runtime.Bundle{ID: "test", Spec: &specs.Spec{Process: b.process}}).Encode()
	b.must(err)
	b.handle, err = Spawn(t.Context(), "/proc/self/exe", b.req.ContainerID, nil)
	b.must(err)
	b.must(b.handle.Send(b.req, Passed{}))
	b.must(b.handle.Close()) // as the kernel does when the caller is killed
	b.wait()
	b.same("record", b.record(), "forgotten null\n")
}

func TestContainerThatIsHalfMadeIsForgottenWithItsCaller(t *testing.T) {
	b := shell(t, "exit 0")
	var err error
	b.handle, err = Spawn(t.Context(), "/proc/self/exe", b.req.ContainerID, nil)
	b.must(err)
	b.must(b.handle.Making(&Request{ContainerID: b.req.ContainerID, StateDir: b.req.StateDir}))
	b.must(b.handle.Close()) // as the kernel does when the caller is killed
	b.wait()
	b.same("record", b.record(), "forgotten null\n")
}

func TestContainerInheritsNothing(t *testing.T) {
	b := newBox(t, "ls", "/proc/self/fd").start(true)
	var o bytes.Buffer
	b.attach(Streams{Out: &o}, AttachOptions{})
	b.same("descriptors", o.String(), "0\n1\n2\n3\n") // 3 is ls's own
}
