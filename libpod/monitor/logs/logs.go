// Package logs writes and reads container logs in Podman's k8s-file format. Each record is one line:
//
//	2006-01-02T15:04:05.000000000+00:00 stdout F text
//
// The tag is F where the container ended the line and P where only a part of it was there to be read:
// the next record of the same stream continues it. So any bytes survive, and so does a missing newline
// at the end. A log that reaches its maximum size becomes PATH.1, that PATH.2, and so on: one is the oldest that is
// kept. Where a disk is full, records are missing; the next one that finds room is preceded by one of moss's own that says so.
//
// Readers take no lock, and nobody waits for them. Who follows a log gets all of each file that it has opened, also when that has been removed meanwhile, and opens a file
// as soon as it begins, however slowly its output is taken. What is missing then is of files that came and went before it could be woken up.
package logs

import (
	"bytes"
	"time"
)

// Stream is one of the two outputs of a process.
type Stream uint8

// The streams.
const (
	Stdout Stream = iota
	Stderr
)

// String is the stream's name in a log.
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// timeFormat has a fixed width, like conmon's, so that records sort and headers are cheap.
const timeFormat = "2006-01-02T15:04:05.000000000-07:00"

// record is one parsed line; its slices point into what was read.
type record struct {
	stamp  []byte
	stream Stream
	part   bool // tag P
	text   []byte
}

// parse reads a line without its newline. Lines that are not records, as a full disk or another program
// may leave them, are not ok.
func parse(line []byte) (r record, ok bool) {
	stamp, rest, found := bytes.Cut(line, []byte{' '})
	if !found || len(rest) < len("stdout F") {
		return record{}, false
	}
	switch string(rest[:7]) {
	case "stdout ":
		r.stream = Stdout
	case "stderr ":
		r.stream = Stderr
	default:
		return record{}, false
	}
	// The tag field may carry more after a colon (Kubernetes' CRI log format).
	tag, text, _ := bytes.Cut(rest[7:], []byte{' '})
	tag, _, _ = bytes.Cut(tag, []byte{':'})
	if len(tag) != 1 || tag[0] != 'F' && tag[0] != 'P' {
		return record{}, false
	}
	r.stamp, r.part, r.text = stamp, tag[0] == 'P', text
	return r, true
}

func (r *record) time() (time.Time, error) { return time.Parse(time.RFC3339Nano, string(r.stamp)) }
