package runtime

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// The stage talks with its parent over one socket. The parent sends an order: the lengths of its two parts, four bytes
// each, little endian, and with them descriptors: the three standard streams and the namespaces to join; the order's own
// JSON; and that of the Bundle, which may be empty. The stage sets everything up and
// sends one frame: frameReady, with the terminal's master as a descriptor where there is one, or frameError. The parent
// sends one byte to go on. Then the socket either closes, because execve(2) has succeeded, or brings a frameError.
const (
	frameReady = 'r'
	frameError = 'e'
)

// order is what a stage is to do: Bundle for the first process of a container, Command for one more.
type order struct {
	Bundle  Encoded  `json:"-"`
	Command *command `json:"command,omitempty"`
	Kinds   []int    `json:"kinds,omitempty"` // of the namespaces to join
	// Loopback is to be brought up: the network namespace is new.
	Loopback bool `json:"loopback,omitempty"`

	streams, namespaces []*os.File
}

// command is a process to run in a container.
type command struct {
	Process *specs.Process `json:"process"`
	Seccomp string         `json:"seccomp,omitempty"`
	User    string         `json:"user,omitempty"`
	Groups  []string       `json:"groups,omitempty"`
	// Namespaces are those of the process Pid that it is to join.
	Namespaces int `json:"namespaces,omitempty"`
	Pid        int `json:"pid,omitempty"`
}

// Descriptors of a stage.
const (
	controlFD = 3
	programFD = 4 // the stage's own program
)

func sendOrder(socket *os.File, o *order) error {
	own, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("cannot encode what the container's first process is to do: %w", err)
	}
	head := binary.LittleEndian.AppendUint32(make([]byte, 0, 8), uint32(len(own)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(o.Bundle)))
	if err := sys.SendFiles(socket, head, slices.Concat(o.streams, o.namespaces)...); err != nil {
		return err
	}
	_, err = socket.Write(append(own, o.Bundle...))
	return err
}

func receiveOrder(socket *os.File) (*order, error) {
	var head [8]byte
	n, files, err := sys.ReceiveFiles(socket, head[:])
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	case n < len(head) || len(files) < 3:
		return nil, errors.New("cannot understand what the container's first process is to do")
	}
	own := binary.LittleEndian.Uint32(head[:])
	b := make([]byte, own+binary.LittleEndian.Uint32(head[4:]))
	if _, err := io.ReadFull(socket, b); err != nil {
		return nil, err
	}
	o := &order{Bundle: b[own:], streams: files[:3], namespaces: files[3:]}
	return o, json.Unmarshal(b[:own], o)
}

// errorKinds are those kinds of errors that a parent may act on, by their index.
var errorKinds = [...]error{
	nil, errdefs.ErrNoCommand, errdefs.ErrNotExecutable, errdefs.ErrInvalid, errdefs.ErrNotFound, errdefs.ErrDenied,
	errdefs.ErrUnavailable, errdefs.ErrNoSpace,
}

func sendError(socket *os.File, err error) error {
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
	return sys.SendFile(socket, append([]byte{frameError, byte(kind)}, text...), nil)
}

func sendReady(socket, console *os.File) error {
	return sys.SendFile(socket, []byte{frameReady}, console)
}

// receiveFrame waits for the next word of a stage: io.EOF when it closed the socket.
func receiveFrame(socket *os.File) (console *os.File, err error) {
	buf := make([]byte, 4096)
	n, f, err := sys.ReceiveFile(socket, buf)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	case buf[0] == frameReady:
		return f, nil
	case buf[0] != frameError || n < 2 || int(buf[1]) >= len(errorKinds):
		return nil, errors.New("cannot understand the container's first process")
	case buf[1] == 0:
		return nil, errors.New(string(buf[2:n]))
	}
	return nil, errdefs.Errorf(errorKinds[buf[1]], "%s", buf[2:n])
}
