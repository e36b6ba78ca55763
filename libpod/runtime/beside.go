package runtime

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/sys"
)

// A container with a PID namespace of its own is set up by a thread of its parent, beside what becomes its first process: that is cloned beforehand, has nothing in it of a program yet, and
// makes the few system calls that nobody can make for it (sys.Embryo). To start a program for that, as stage.go does for all others, takes a Go program's beginnings, a tenth of
// the processor time of a short container.

// beside is a stage that is a thread, and the line to it.
type beside struct {
	embryo *sys.Embryo
	pidfd  *os.File // of the embryo
	exe    string   // Own.exe
	orders chan *order
	words  chan word     // what it says; closed when it has ended
	next   chan struct{} // lets it go on, and is closed to give it up
	killed chan struct{} // closed when the embryo was killed
}

type word struct {
	ready ready
	err   error
}

// mayBeBeside says whether the first process is one that a thread can set up. Whoever joins a PID namespace is not alone in there, and must share no memory with anybody outside; and a
// detached container outlives its parent.
func (l *launch) mayBeBeside() bool {
	return l.name == stageInit && l.spaces.fresh&sys.ClonePID != 0 && l.order.start == nil && !l.apart
}

// ownMemory says whether the first process must have memory of its own from the beginning. An out-of-memory score belongs to memory, not to a process (proc_pid_oom_score_adj(5)), and
// when a cgroup is out of it, the kernel kills all who share the memory of the one that it has chosen: the parent would go, too.
func (o *outline) ownMemory(limits *specs.LinuxResources) bool {
	return limits != nil && limits.Memory != nil || o.Spec.Process.OOMScoreAdj != nil
}

func startBeside(exe string, spaces *namespaces) (*process, error) {
	embryo, err := sys.Conceive(spaces.cloned(), unborn)
	if err != nil {
		return nil, err
	}
	t := &beside{embryo: embryo, exe: exe, orders: make(chan *order, 1), words: make(chan word, 2), next: make(chan struct{}, 1), killed: make(chan struct{})}
	sys.GoApart(func() { t.run(int(spaces.cloned()) &^ sys.ClonePID) })
	return &process{child: &sys.Child{Pid: embryo.Pid}, pid: embryo.Pid, line: t}, nil
}

func (t *beside) order(o *order) error {
	// What is on its way belongs to the stage, and is out of the way of the process's first descriptors.
	mine := *o
	mine.streams, mine.namespaces, mine.handed = nil, nil, nil
	for _, list := range []struct {
		theirs []*os.File
		mine   *[]*os.File
	}{{o.streams, &mine.streams}, {o.namespaces, &mine.namespaces}, {o.handed, &mine.handed}} {
		for _, f := range list.theirs {
			f, err := sys.MoveFrom(f, moreFD+o.more)
			if err != nil {
				mine.close()
				return err
			}
			*list.mine = append(*list.mine, f)
		}
	}
	t.orders <- &mine
	return nil
}

func (t *beside) receive() (ready, error) {
	select {
	case w, ok := <-t.words:
		if ok {
			return w.ready, w.err
		}
	case <-t.killed:
		t.settle()
	}
	return ready{}, io.EOF
}

// settling is how long a thread may take to notice that it was given up.
const settling = 200 * time.Millisecond

// settle waits until the thread has ended: what it works on is going to be removed. It may be waiting for somebody else's lock or file system, which nothing but the end of this process ends.
func (t *beside) settle() {
	for limit := time.After(settling); ; {
		select {
		case w, ok := <-t.words:
			if !ok {
				return
			}
			w.ready.close()
		case <-limit:
			return
		}
	}
}

func (t *beside) wasKilled() { close(t.killed) }

func (t *beside) goOn() error {
	t.next <- struct{}{}
	return nil
}

func (t *beside) close() {
	close(t.orders)
	close(t.next)
	go func() {
		for w := range t.words {
			w.ready.close()
		}
		for o := range t.orders { // it ended before it took it
			o.close()
		}
	}()
}

// run is the stage. Its thread ends with it, since it is in the container's namespaces.
func (t *beside) run(namespaces int) {
	defer close(t.words)
	s := &stage{beside: t}
	b, err := s.setUpBeside(namespaces)
	switch {
	case err == nil:
		err = s.outcome(t.embryo.Bear(b))
	case t.embryo.Ended():
		err = io.EOF
	}
	if err != nil && t.pidfd != nil {
		t.embryo.End(t.pidfd)
	}
	closeAll(s.root, s.oldRoot, s.cwd, s.tty, s.program, s.reporter, t.pidfd)
	if s.order != nil {
		s.order.close()
	}
	t.embryo.Forget()
	if err != nil && !errors.Is(err, io.EOF) {
		t.words <- word{err: errorOf(errorFrame(err))}
	}
}

// enter moves the thread into the process's namespaces, and to the root that it has there.
func (t *beside) enter(namespaces int) (err error) {
	if err := sys.Unshare(sys.CloneFS); err != nil {
		return err
	}
	syscall.Umask(0) // modes of what we make are exact
	if err := t.embryo.Begun(); err != nil {
		return err
	}
	if t.pidfd, err = sys.OpenPidfd(t.embryo.Pid); err != nil {
		return err
	}
	root, err := os.OpenFile("/proc/"+strconv.Itoa(t.embryo.Pid)+"/root", sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := sys.Setns(t.pidfd, namespaces); err != nil {
		return err
	}
	b := &sys.Birth{}
	b.Root(root)
	return b.Do()
}

// setUpBeside does all that comes before the process's birth.
func (s *stage) setUpBeside(namespaces int) (*sys.Birth, error) {
	t := s.beside
	if err := t.enter(namespaces); err != nil {
		return nil, err
	}
	o, ok := <-t.orders
	if !ok {
		return nil, io.EOF
	}
	s.order, s.streams, s.more = o, o.streams, o.more
	err := s.build(o)
	if err == nil && s.reaper {
		err = s.openReport()
	}
	if err != nil {
		ready{console: s.console, report: s.report}.close()
		return nil, err
	}
	t.words <- word{ready: ready{console: s.console, report: s.report}}
	if err := s.leave(); err != nil { // while the parent does its part
		return nil, err
	}
	if _, ok := <-t.next; !ok {
		return nil, io.EOF
	}
	return s.prepare()
}

// join moves the process, too, into other namespaces, and gives it one of cgroups, if it is to have that: who looks for its namespaces finds them as soon as it is ready.
func (t *beside) join(o *order, cgroups bool) error {
	b := &sys.Birth{}
	for i, f := range o.namespaces {
		b.Setns(f, o.kinds[i])
	}
	if cgroups {
		b.Unshare(sys.CloneCgroup)
	}
	if err := t.embryo.Do(b); err != nil || !cgroups {
		return err
	}
	return sys.Setns(t.pidfd, sys.CloneCgroup)
}

// become has the process take what is the thread's, or came with the order, but for namespaces.
func (t *beside) become(b *sys.Birth, s *stage) error {
	b.Root(s.root)
	b.Chdir(s.cwd)
	files := slices.Clone(s.streams)
	if s.reaper {
		files = append(files, s.reporter, nil)
	}
	return t.embryo.Descriptors(b, append(files, s.order.handed...))
}

// openReport is stage.openReport, and opens the reaper's program.
func (t *beside) openReport(s *stage) (err error) {
	reader, writer, err := sys.Pipe(false)
	if err != nil {
		return err
	}
	defer writer.Close()
	s.report = reader
	s.reporter, err = sys.MoveFrom(writer, moreFD+s.more) // as with what came with the order
	return err
}

// openProgram opens the program that a reaper is, while /proc still is the host's.
func (t *beside) openProgram(s *stage) error {
	program, err := os.Open(t.exe)
	if err != nil {
		return err
	}
	defer program.Close()
	s.program, err = sys.MoveFrom(program, moreFD+s.more)
	return err
}
