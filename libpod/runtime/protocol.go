package runtime

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// The stage talks with its parent over one socket. The parent sends an order: its head, and with it descriptors, which are
// the three standard streams and the namespaces to join; and JSON, that of the Bundle or of a command. The stage sets everything up and
// sends one frame: frameReady (see ready), or frameError. The parent
// sends one byte to go on. (The stage of a detached container says frameReady twice: before it changes its root directory, and
// at last. Then it waits for somebody to connect to its order's start, who takes the parent's place.) Then the socket either closes, because execve(2) has succeeded, or brings a frameError; a stage
// that another process does that for says frameReady once more before.
const (
	frameReady = 'r'
	frameError = 'e'
)

// line is how a process's parent talks with its stage.
type line interface {
	// order tells it what to do, once. Its descriptors stay the caller's.
	order(o *order) error
	// receive waits for its next word: io.EOF when there are no more.
	receive() (ready, error)
	// goOn lets it go on. One that has ended is for receive to tell of.
	goOn() error
	// wasKilled says that the process was.
	wasKilled()
	// close gives a stage up that waits.
	close()
}

// stageSocket is the line to a stage that is a process.
type stageSocket struct{ *os.File }

func (s stageSocket) wasKilled() {} // it closes the socket

func (s stageSocket) close() { s.File.Close() }

func (s stageSocket) order(o *order) error { return sendOrder(s.File, o) }

func (s stageSocket) receive() (ready, error) { return receiveFrame(s.File) }

func (s stageSocket) goOn() error {
	if _, err := s.Write([]byte{1}); err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("cannot release the container's first process: %w", err)
	}
	return nil
}

// order is what a stage is to do: Bundle for the first process of a container, Command for one more.
type order struct {
	Bundle  Encoded
	Command *command

	streams, namespaces []*os.File
	kinds               []int      // of namespaces
	handed              []*os.File // Stdio.More; a stage that is a process was started with them
	// loopback is to be brought up: the network namespace is new.
	loopback bool
	// start is the socket on which a container that is detached waits, nil for others.
	start *os.File
	// slack is what the command's timers are to have: sys.SpawnLate.
	slack int
	more  int // as in orderHead
}

// close closes what came with it.
func (o *order) close() { closeAll(slices.Concat(o.streams, o.namespaces, o.handed)...) }

// closeAll closes those that there are.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// maxJoined is as many namespaces as there are kinds.
const maxJoined = 8

// orderHead travels in little endian.
type orderHead struct {
	Length   uint32 // of the JSON
	Loopback uint32 // 0 or 1
	Detached uint32 // 0 or 1: the last descriptor is the order's start
	Slack    uint32 // nanoseconds
	More     uint32 // how many descriptors the stage was started with beyond its own, for the process
	Kinds    [maxJoined]uint32
}

// command is a process to run in a container.
type command struct {
	Task
	// Namespaces are those of the process Pid that it is to join.
	Namespaces int `json:"namespaces,omitempty"`
	Pid        int `json:"pid,omitempty"`
}

// Descriptors of a stage.
const (
	controlFD = 3
	programFD = 4 // the stage's own program
	moreFD    = 5 // the first of Stdio.More
)

func sendOrder(socket *os.File, o *order) error {
	body := []byte(o.Bundle)
	if o.Command != nil {
		var err error
		if body, err = json.Marshal(o.Command); err != nil {
			return fmt.Errorf("cannot encode what the container's first process is to do: %w", err)
		}
	}
	head := orderHead{Length: uint32(len(body)), Slack: uint32(o.slack), More: uint32(o.more)}
	if o.loopback {
		head.Loopback = 1
	}
	for i, kind := range o.kinds {
		head.Kinds[i] = uint32(kind)
	}
	files := slices.Concat(o.streams, o.namespaces)
	if o.start != nil {
		head.Detached = 1
		files = append(files, o.start)
	}
	b, err := binary.Append(nil, binary.LittleEndian, &head)
	if err != nil {
		return err
	}
	if err := sys.SendFiles(socket, b, files...); err != nil {
		return err
	}
	_, err = socket.Write(body)
	return err
}

// receiveOrder takes an order for a command, or for the first process of a container.
func receiveOrder(socket *os.File, isCommand bool) (*order, error) {
	var head orderHead
	b := make([]byte, binary.Size(&head))
	n, files, err := sys.ReceiveFiles(socket, b)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	case n < len(b) || len(files) < 3 || len(files) > 3+maxJoined+1:
		return nil, errors.New("cannot understand what the container's first process is to do")
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &head); err != nil {
		return nil, err
	}
	o := &order{loopback: head.Loopback != 0, slack: int(head.Slack), more: int(head.More)}
	if last := len(files) - 1; head.Detached != 0 {
		o.start, files = files[last], files[:last]
	}
	o.streams, o.namespaces = files[:3], files[3:]
	for i := range o.namespaces {
		o.kinds = append(o.kinds, int(head.Kinds[i]))
	}
	body := make([]byte, head.Length)
	if _, err := io.ReadFull(socket, body); err != nil {
		return nil, err
	}
	if !isCommand {
		o.Bundle = body
		return o, nil
	}
	o.Command = &command{}
	return o, json.Unmarshal(body, o.Command)
}

// errorKinds are those kinds of errors that a parent may act on, by their index.
var errorKinds = [...]error{
	nil, errdefs.ErrNoCommand, errdefs.ErrNotExecutable, errdefs.ErrInvalid, errdefs.ErrNotFound, errdefs.ErrDenied,
	errdefs.ErrUnavailable, errdefs.ErrNoSpace, errdefs.ErrConflict,
}

func sendError(socket *os.File, err error) error { return sys.SendFile(socket, errorFrame(err), nil) }

func errorFrame(err error) []byte {
	if !strings.HasPrefix(err.Error(), "cannot ") { // it is the kernel's, of a call that nobody expects to be refused
		err = fmt.Errorf("cannot set up a process of the container: %w", err)
	}
	err = errdefs.NoSpace(err) // the number does not get across
	kind := 0
	for i := 1; i < len(errorKinds); i++ {
		if errors.Is(err, errorKinds[i]) {
			kind = i
			break
		}
	}
	text := err.Error()
	if len(text) > 4000 {
		text = text[:4000]
	}
	return append([]byte{frameError, byte(kind)}, text...)
}

const maxFrame = 4096

// ready is what a stage says when everything is set up.
type ready struct {
	born    int      // the process that waits, 0 when it is the stage itself
	console *os.File // the terminal's master side, nil without one
	report  *os.File // a pipe: what a reaper says of its command, an errorFrame or nothing; nil without one
}

// close lets go of what came with it.
func (r ready) close() { closeAll(r.console, r.report) }

// readySize is that of its frame: its kind, born, and which descriptors come with it.
const readySize = 1 + 4 + 1

func sendReady(socket *os.File, r ready) error {
	frame := binary.NativeEndian.AppendUint32([]byte{frameReady}, uint32(r.born))
	var files []*os.File
	which := byte(0)
	for i, f := range []*os.File{r.console, r.report} {
		if f != nil {
			files, which = append(files, f), which|1<<i
		}
	}
	return sys.SendFiles(socket, append(frame, which), files...)
}

// receiveFrame waits for the next word of a stage: io.EOF when it closed the socket.
func receiveFrame(socket *os.File) (r ready, err error) {
	buf := make([]byte, maxFrame)
	n, files, err := sys.ReceiveFiles(socket, buf)
	switch {
	case errors.Is(err, syscall.ECONNRESET): // it was killed before it read what we wrote
		return r, io.EOF
	case err != nil:
		return r, err
	case n == 0:
		return r, io.EOF
	case buf[0] != frameReady || n != readySize:
		return r, errorOf(buf[:n])
	}
	r.born = int(binary.NativeEndian.Uint32(buf[1:]))
	for i, f := range []**os.File{&r.console, &r.report} {
		if buf[readySize-1]&(1<<i) != 0 && len(files) > 0 {
			*f, files = files[0], files[1:]
		}
	}
	return r, nil
}

// errorOf reads an errorFrame.
func errorOf(frame []byte) error {
	switch {
	case len(frame) < 2 || frame[0] != frameError || int(frame[1]) >= len(errorKinds):
		return errors.New("cannot understand the container's first process")
	case frame[1] == 0:
		return errors.New(string(frame[2:]))
	}
	return errdefs.Errorf(errorKinds[frame[1]], "%s", frame[2:])
}
