package monitor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// NotifySocket is, in the run directory, the socket at which a container tells how it is (sd_notify(3)). The service manager asks which unit the process
// belongs to that tells it something, and a container's is in a group of its own: so the monitor, which is the unit's, says it again.
const NotifySocket = "notify"

const (
	// maxNotice is more than any message that is passed on.
	maxNotice = 4096
	// noticePause bounds how much a container that never stops telling can make its monitor and the service manager do.
	noticePause = 10 * time.Millisecond
	// tellerPause is how long whoever started the container may take to say which process the service is.
	tellerPause = 5 * time.Second
)

// notices passes on what the container tells.
type notices struct {
	socket *os.File
	to     string
	work   sync.WaitGroup
}

// openNotices makes the container's socket, where somebody is to be told.
func (m *monitor) openNotices() error {
	if m.req.Notify == "" {
		return nil
	}
	if err := remove(m.req.RunDir + "/" + NotifySocket); err != nil {
		return err
	}
	socket, err := sys.ListenDatagrams(m.req.RunDir, NotifySocket)
	if err == nil {
		m.notices = &notices{socket: socket, to: m.req.Notify}
	}
	return err
}

// passOn begins to, until pause or close, once the other end of starter is closed, where there is one: who says that the service is ready must be
// known as a process of it.
func (n *notices) passOn(starter *os.File) {
	n.work.Go(func() {
		if starter != nil {
			_ = starter.SetReadDeadline(time.Now().Add(tellerPause))
			_, _ = io.Copy(io.Discard, starter)
			closeAll(starter)
		}
		message := make([]byte, maxNotice)
		for {
			size, err := n.socket.Read(message)
			if err != nil && !errors.Is(err, io.EOF) { // which is an empty one
				return
			}
			if text := fit(string(message[:size])); text != "" {
				_ = sys.Notify(n.to, text) // a manager that is gone learns nothing
				time.Sleep(noticePause)
			}
		}
	})
}

// pause has messages wait.
func (n *notices) pause() {
	if n.socket.SetReadDeadline(time.Now()) == nil {
		n.work.Wait()
		_ = n.socket.SetReadDeadline(time.Time{})
	}
}

// close ends it.
func (n *notices) close() {
	closeAll(n.socket)
	n.work.Wait()
}

// fit is what a container may say of its service: how it is, but not which processes and descriptors are the service's, which mean something else in there.
func fit(message string) string {
	var lines []string
	for line := range strings.SplitSeq(message, "\n") {
		key, _, ok := strings.Cut(line, "=")
		said := []string{
			"READY", "RELOADING", "STOPPING", "MONOTONIC_USEC", "STATUS", "ERRNO", "WATCHDOG", "WATCHDOG_USEC", "EXTEND_TIMEOUT_USEC",
		}
		odd := func(r rune) bool { return !strconv.IsPrint(r) } // a status is shown on terminals
		if ok && slices.Contains(said, key) && !strings.ContainsFunc(line, odd) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// writePIDFiles writes down the processes for those who look for them.
func (m *monitor) writePIDFiles(p Pids) error {
	for _, f := range []struct {
		path string
		pid  int
	}{{m.req.PIDFile, p.Container.Pid}, {m.req.MonitorPIDFile, p.Monitor.Pid}} {
		if f.path == "" {
			continue
		}
		if err := writePID(f.path, f.pid); err != nil {
			return errdefs.NoSpace(fmt.Errorf("cannot write the file for the process's id: %w", err))
		}
	}
	return nil
}

func writePID(path string, pid int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o644) // nobody may read from a FIFO
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, pid)
	return errors.Join(err, f.Close())
}
