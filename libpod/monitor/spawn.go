package monitor

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Handle is a monitor as its starter sees it until the container runs.
type Handle struct {
	id      string
	process *sys.Child
	control *os.File
	fresh   uint32 // what it was told to prepare
	replies *json.Decoder
}

// Spawn starts the monitor program exe for one container, in a session of its own and with nothing of
// the caller's but the lock of the user namespace (nil is none). It returns at once: the program starts up while the caller
// puts together what Send tells it; Start tells how it went. Every Handle is to be closed.
func Spawn(ctx context.Context, exe, id string, users *os.File) (*Handle, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mine, theirs, err := sys.SocketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, mine.Close())
	}
	defer null.Close()
	process, err := sys.Spawn(exe, []string{"moss-monitor", id}, "/", environment(),
		[]*os.File{null, null, null, theirs, users}, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return nil, fmt.Errorf("cannot start the monitor of container %s: %w", id, errors.Join(err, mine.Close()))
	}
	return &Handle{id: id, process: process, control: mine}, nil
}

// Adopt is Spawn of a monitor that runs already: its pid, our end of its control socket, and what it was told to prepare, 0 for nothing.
func Adopt(pid int, control *os.File, id string, fresh uint32) *Handle {
	return &Handle{id: id, process: &sys.Child{Pid: pid}, control: control, fresh: fresh}
}

// Prepare tells the monitor which namespaces the container will have for itself (runtime.Fresh), so that it can begin.
func (h *Handle) Prepare(fresh uint32) error {
	if fresh == h.fresh {
		return nil
	}
	h.fresh = fresh
	return h.write(binary.LittleEndian.AppendUint32([]byte{wordFresh}, fresh))
}

// write tells something without descriptors.
func (h *Handle) write(message []byte) error {
	_, err := h.control.Write(message)
	if err != nil && !errors.Is(err, syscall.EPIPE) { // Start tells of one that has ended
		return fmt.Errorf("cannot tell the monitor of container %s what to do: %w", h.id, err)
	}
	return nil
}

// Making tells the monitor which container is being made that it is for: of it, ContainerID, RunDir, StateDir, Remove and Trees are known. Should the
// caller be killed before Send, the monitor removes what there is of it.
func (h *Handle) Making(req *Request) error {
	outline, err := envelope{Request: req}.MarshalJSON()
	if err != nil {
		return fmt.Errorf("cannot tell the monitor of container %s what it is for: %w", h.id, err)
	}
	message := binary.LittleEndian.AppendUint32([]byte{wordMaking}, uint32(len(outline)))
	return h.write(append(message, outline...))
}

// Send tells the monitor what to do: it sets the container up. A monitor that has ended meanwhile is for Start to tell of.
func (h *Handle) Send(req *Request, passed Passed) error {
	request, err := encode(envelope{
		Request: req, Attach: passed.Attach != nil, RecordLock: passed.RecordLock != nil, NetNS: passed.NetNS != nil,
	})
	if err != nil {
		return err
	}
	defer request.Close()
	send := []*os.File{request}
	for _, f := range []*os.File{passed.Attach, passed.RecordLock, passed.NetNS} {
		if f != nil {
			send = append(send, f)
		}
	}
	if err := h.tell(wordFiles, append(send, passed.More...)); err != nil {
		return err
	}
	told := h.control
	if h.control, err = sys.Pollable(told); err == nil {
		h.replies = json.NewDecoder(h.control)
	}
	return errors.Join(err, told.Close())
}

// Connect tells the monitor the rest, after Send. extra are for the Ports hook, in order. The caller keeps and closes its own.
func (h *Handle) Connect(w *Wiring, extra ...*os.File) error {
	data, err := w.MarshalJSON()
	if err != nil {
		return fmt.Errorf("cannot write what the monitor of container %s is to know: %w", h.id, err)
	}
	wiring, err := sys.SealedProgram("moss-wiring", data)
	if err != nil {
		return err
	}
	defer wiring.Close()
	return h.tell(wordWiring, append([]*os.File{wiring}, extra...))
}

// tell sends a word with descriptors.
func (h *Handle) tell(word byte, files []*os.File) error {
	err := sys.SendFiles(h.control, []byte{word}, files...)
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("cannot tell the monitor of container %s what to do: %w", h.id, err)
	}
	return nil
}

// environment keeps what libraries need to know of the user namespace. One P is enough for copying
// output and keeps the Go runtime small.
func environment() []string {
	env := []string{"GOMAXPROCS=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"_CONTAINERS_USERNS_CONFIGURED", "_CONTAINERS_ROOTLESS_UID", "_CONTAINERS_ROOTLESS_GID", "XDG_RUNTIME_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// encode puts a request into a memory file: the length of its outline in four bytes, little endian, the outline as
// JSON, and the bundle as it came.
func encode(e envelope) (*os.File, error) {
	data, err := e.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("cannot write the request for the monitor of container %s: %w", e.Request.ContainerID, err)
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(data)+len(e.Request.Bundle)), uint32(len(data)))
	return sys.SealedProgram(requestFile, append(append(b, data...), e.Request.Bundle...))
}

const requestFile = "moss-request"

// Bundle is what a living monitor was told to make its container of. It is in the container's run directory too.
func Bundle(monitor sys.Process) (runtime.Encoded, error) {
	path, ok := sys.ProgramOf(monitor.Pid, requestFile)
	if !ok {
		return nil, os.ErrNotExist
	}
	all, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !monitor.Alive() { // its number may be somebody else's by now
		return nil, os.ErrNotExist
	}
	_, bundle, err := splitRequest(all)
	return bundle, err
}

// Start waits for the container's command to run, after Connect: it returns once execve has succeeded. Errors keep their kind, such as errdefs.ErrNoCommand and errdefs.ErrNotExecutable;
// after one nothing of the container is left but what the monitor still cleans up: see Wait.
func (h *Handle) Start(ctx context.Context) (Pids, error) {
	stop := context.AfterFunc(ctx, h.giveUp)
	defer stop()
	var r reply
	err := h.replies.Decode(&r)
	if ctx.Err() != nil && (err != nil || r.Error != "") {
		return Pids{}, ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return Pids{}, errors.New("cannot start the container: its monitor ended unexpectedly")
	}
	if err != nil {
		return Pids{}, fmt.Errorf("cannot read the answer of the container's monitor: %w", err)
	}
	return r.Pids, r.err()
}

// giveUp tells the monitor that nobody wants the container any more. What it answers says whether that came too late:
// who does not wait for it might leave a container that runs.
func (h *Handle) giveUp() {
	_ = sys.CloseWrite(h.control)                   // one that has ended
	_ = syscall.Kill(h.process.Pid, syscall.SIGINT) // needs no telling
}

// Pid is the monitor's process id.
func (h *Handle) Pid() int { return h.process.Pid }

// Wait waits for the monitor to end and collects it: a caller that lives on has no zombies then. After
// a failed start it returns when everything is cleaned up.
func (h *Handle) Wait() error {
	_, err := h.process.Wait()
	return err
}

// Close lets go of the monitor. A container that does not run yet is given up by it.
func (h *Handle) Close() error {
	err := h.control.Close()
	if errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrInvalid) {
		return nil
	}
	return err
}
