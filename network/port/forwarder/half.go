package forwarder

import "github.com/mosscontainers/moss/pkg/sys"

// half is one direction of a connection. It moves bytes within the kernel until the source ends. What goes wrong with one end is for
// the other to see: there is nobody else to tell.
type half struct {
	from, to sys.Socket
	pipe     *sys.SplicePipe // nil while there is nothing in it
	n        int             // what is in it
	done     bool
}

// waitsIn and waitsOut say what it waits for: that its source has something, or that its target takes something.
func (h *half) waitsIn() bool  { return !h.done && h.n == 0 }
func (h *half) waitsOut() bool { return !h.done && h.n > 0 }

// fill takes what the source has, and passes on what the target takes of it.
func (h *half) fill(p *pipes) {
	var err error
	if h.pipe, err = p.get(); err != nil {
		h.end(p, err)
		return
	}
	n, ok, err := h.pipe.Fill(uintptr(h.from.FD()))
	switch {
	case err != nil || ok && n == 0:
		h.end(p, err)
	case !ok:
		h.giveBack(p)
	default:
		h.n = n
		h.drain(p)
	}
}

// drain passes on what the target takes.
func (h *half) drain(p *pipes) {
	for h.n > 0 {
		n, ok, err := h.pipe.Drain(uintptr(h.to.FD()), h.n)
		if err != nil {
			h.end(p, err)
			return
		}
		if !ok {
			return
		}
		h.n -= n
	}
	h.giveBack(p)
}

func (h *half) giveBack(p *pipes) {
	p.put(h.pipe)
	h.pipe = nil
}

// end ends it, well or not.
func (h *half) end(p *pipes, err error) {
	h.done = true
	h.release(p)
	if err != nil {
		h.from.EndRead()
	}
	h.to.EndWrite()
}

// release lets go of the pipe.
func (h *half) release(p *pipes) {
	if h.pipe != nil {
		p.drop(h.pipe)
		h.pipe, h.n = nil, 0
	}
}
