package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/mosscontainers/moss/pkg/sys"
)

// process is a stage, and what it becomes.
type process struct {
	child   *sys.Child
	pid     int
	line    line // nil once the command runs
	console *os.File
	report  *os.File // as in ready
	group   *cgroup
	// stage is what the process was made by, nil when that is the stage itself.
	stage *sys.Child
	// ownPIDs says that the kernel ends everything in the container with this process, its PID 1.
	ownPIDs bool
	// extra is a process in somebody else's container, which Wait must not end.
	extra bool
	spare func() []int // Own.Spare
}

func (p *process) Pid() int { return p.pid }

func (p *process) Console() *os.File { return p.console }

// ErrKilled says that the process of a container ended before it was what it is to be.
var ErrKilled = errors.New("cannot set the container up: its first process was killed; is there enough memory?")

func (p *process) Ready(ctx context.Context) error {
	stage := p.child
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = stage.Kill() // it may have ended by itself
		p.line.wasKilled()
		close(killed)
	})
	r, err := p.line.receive()
	if r.born != 0 {
		p.stage, p.child, p.pid = p.child, &sys.Child{Pid: r.born}, r.born
	}
	switch {
	case !stop():
		<-killed // before it is collected, and its pid somebody else's
		err = ctx.Err()
	case errors.Is(err, io.EOF):
		err = ErrKilled
	}
	p.console, p.report = r.console, r.report
	if err != nil {
		p.abandon()
		err = joinErrors(err, p.Delete())
	}
	return err
}

func (p *process) Start() error {
	if p.line == nil {
		return errors.New("cannot start a process twice")
	}
	line := p.line
	p.line = nil
	stop := p.endRest(line)
	told, err := release(line)
	stop()
	if err == nil && p.stage != nil && !told {
		err = ErrKilled
		_ = p.child.Kill() // it may go on already
	}
	if err == nil {
		err = p.heed()
	}
	if err == nil {
		return p.collectStage()
	}
	_ = p.child.Kill() // who could not set it up may not have ended it
	_, waitErr := p.Wait()
	goruntime.KeepAlive(line) // its memory is the process's until here
	return joinErrors(err, waitErr)
}

// endRest ends the other threads of a stage whose first one a filter has ended when that was to execute the command (SCMP_ACT_KILL): they keep the line open.
func (p *process) endRest(l line) (stop func()) {
	if _, program := l.(stageSocket); !program { // the first process has one thread
		return func() {}
	}
	ticks, done := time.NewTicker(time.Second), make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-ticks.C:
				if sys.FirstThreadEnded(p.pid) {
					_ = p.child.Kill() // it may have ended as a whole
				}
			case <-done:
				return
			}
		}
	})
	return func() {
		ticks.Stop()
		close(done)
		watching.Wait() // before it is collected, and its pid somebody else's
	}
}

// heed waits until a reaper has started its command. The command may write there too.
func (p *process) heed() error {
	if p.report == nil {
		return nil
	}
	defer p.report.Close()
	said, err := io.ReadAll(io.LimitReader(p.report, maxFrame))
	if err != nil || len(said) == 0 {
		return err
	}
	if len(said) < 2 {
		return errorOf(said)
	}
	return errorOf(append(said[:2:2], bytes.Map(printable, said[2:])...))
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// release lets the stage at the other end execute its command, and waits until it has. A stage that another process executes it for tells of that.
func release(l line) (told bool, err error) {
	defer l.close()
	if err := l.goOn(); err != nil {
		return false, err
	}
	if _, err = l.receive(); errors.Is(err, io.EOF) {
		return false, nil
	}
	return true, err
}

func (p *process) Wait() (int, error) {
	status, err := p.child.Wait()
	if p.line != nil { // it was killed before its start
		p.line.close()
		p.line = nil
	}
	if err != nil {
		return 0, fmt.Errorf("cannot wait for process %d: %w", p.pid, err)
	}
	if err := p.collectStage(); err != nil {
		return 0, err
	}
	code := exitCode(status)
	if p.extra || p.ownPIDs {
		return code, nil
	}
	if p.group.path != "" {
		return code, p.group.kill()
	}
	return code, killChildren(p.spare)
}

// collectStage waits for the end of the stage, which is near once the process may go on.
func (p *process) collectStage() error {
	if p.stage == nil {
		return nil
	}
	if p.line != nil {
		_ = p.stage.Kill() // it may have ended by itself
	}
	pid := p.stage.Pid
	p.stage = nil // the id may be another child's soon
	return reap(pid)
}

// exitCode is a status as a shell counts it.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// OOMKilled says, once the process has ended, whether the container ran out of memory.
func (p *process) OOMKilled() bool { return !p.extra && p.group.oomKilled() }

func (p *process) Delete() error {
	if p.extra {
		return nil
	}
	return p.group.destroy()
}

// abandon ends a stage whose set-up failed.
func (p *process) abandon() {
	_ = p.child.Kill() // it may have ended by itself
	_, _ = p.child.Wait()
	_ = p.collectStage()
	p.line.close()
	ready{console: p.console, report: p.report}.close()
}
