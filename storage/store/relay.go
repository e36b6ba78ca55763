package store

import "io"

// A relay brings a tar in pieces to who reads it for its record, and from there to who unpacks it. A piece is memory that one of them has at a time, so
// nothing is copied for the next one, and as long as there are pieces nobody waits for another.
type relay struct {
	*ring
	from  io.Reader
	ahead chan filled   // by who fills pieces ahead; nil: nobody does
	stop  chan struct{} // for them
	to    *unpacker     // nil: nobody

	piece []byte // that is being read
	rest  []byte // what of it was not
	end   error  // what comes after it; nil: more
}

// filled is a piece, and what comes after it.
type filled struct {
	piece []byte
	end   error
}

// ring is the memory of a relay, which the next one uses again.
type ring struct {
	free chan []byte
	made int
}

const (
	pieceSize = 128 << 10
	pieces    = 7
)

func newRing() *ring { return &ring{free: make(chan []byte, pieces)} }

// newRelay reads from there, and ahead if that is worth a goroutine. Close it.
func newRelay(memory *ring, from io.Reader, ahead bool) *relay {
	r := &relay{ring: memory, from: from}
	if ahead {
		r.ahead, r.stop = make(chan filled, pieces), make(chan struct{})
		go r.readAhead()
	}
	return r
}

func (r *relay) readAhead() {
	defer close(r.ahead)
	for {
		piece := r.take(r.stop)
		if piece == nil {
			return
		}
		next := fill(piece, r.from)
		r.ahead <- next // there is room for all pieces
		if next.end != nil {
			return
		}
	}
}

// take is a piece that nobody has, or nil if it is to stop. Only who fills pieces calls it.
func (r *ring) take(stop <-chan struct{}) []byte {
	select {
	case <-stop:
		return nil
	case piece := <-r.free:
		return piece
	default:
	}
	if r.made < pieces {
		r.made++
		return make([]byte, pieceSize)
	}
	select {
	case <-stop:
		return nil
	case piece := <-r.free:
		return piece
	}
}

// give is for who needs a piece no more.
func (r *ring) give(piece []byte) {
	if piece != nil {
		r.free <- piece[:pieceSize] // there is room for all
	}
}

// fill reads until a piece is full.
func fill(piece []byte, from io.Reader) filled {
	full := 0
	for {
		n, err := from.Read(piece[full:])
		if full += n; err != nil || full == len(piece) {
			return filled{piece[:full], err}
		}
	}
}

// next lets go of a piece that was read.
func (r *relay) next() (next filled) {
	r.pass()
	if r.ahead != nil {
		next = <-r.ahead
	} else {
		next = fill(r.take(nil), r.from)
	}
	r.piece, r.rest, r.end = next.piece, next.piece, next.end
	return next
}

// pass hands the piece on.
func (r *relay) pass() {
	if r.to != nil && r.piece != nil {
		r.to.take(r.piece)
	} else {
		r.give(r.piece)
	}
	r.piece, r.rest = nil, nil
}

// close waits for who reads ahead.
func (r *relay) close() {
	r.to = nil
	r.pass()
	if r.ahead == nil {
		return
	}
	close(r.stop)
	for unread := range r.ahead {
		r.give(unread.piece)
	}
}
