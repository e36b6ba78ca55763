package monitor

import (
	"encoding/binary"
	"fmt"
	"io"
)

// An attach connection is a unix stream socket with frames in both directions: one byte kind, four
// bytes length of the payload (big endian), payload.
//
//	to the client    kindStdout, kindStderr  output
//	                 kindExit                int32 exit code, after all output; then the end
//	from the client  kindStdin               input
//	                 kindStdinEOF            end of input
//	                 kindResize              uint16 rows, uint16 columns
//	                 kindDetach              leaving on purpose: input stays open
//	                 kindTerminal            the terminal whose descriptor came with it is to be kept; then the end
//
// A client gets all output from the moment it connects on. One that does not read holds the container
// up, as a terminal does; one that is gone does not.
const (
	kindStdout   = 'o'
	kindStderr   = 'e'
	kindExit     = 'x'
	kindStdin    = 'i'
	kindStdinEOF = 'c'
	kindResize   = 'r'
	kindDetach   = 'd'
	kindTerminal = 't'
)

const (
	headerSize = 5
	maxPayload = 1 << 20
)

// appendHeader appends the header of a frame with n bytes.
func appendHeader(b []byte, kind byte, n int) []byte {
	return binary.BigEndian.AppendUint32(append(b, kind), uint32(n))
}

func exitFrame(code int) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(nil, kindExit, 4), uint32(int32(code)))
}

func resizeFrame(rows, cols uint16) []byte {
	b := appendHeader(nil, kindResize, 4)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, rows), cols)
}

// readFrame reads one frame into buf, which it grows as needed up to maxPayload; the payload is valid
// until the next call. Errors are io.EOF between frames and io.ErrUnexpectedEOF within one.
func readFrame(r io.Reader, buf *[]byte) (kind byte, payload []byte, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxPayload {
		return 0, nil, fmt.Errorf("cannot read an attach frame of %d bytes: the limit is %d", n, maxPayload)
	}
	if uint32(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	payload = (*buf)[:n]
	if _, err := io.ReadFull(r, payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], payload, nil
}
