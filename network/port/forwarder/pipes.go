package forwarder

import "github.com/mosscontainers/moss/pkg/sys"

const (
	// pipeSize is what is moved at a time, in bytes. A user may have 64 MB of pipes before all that come are tiny (pipe(7)).
	pipeSize = 256 << 10
	// largeSize is that of the first largePipes, all that few connections need: the most that a user may ask for. One stream is a tenth faster with it.
	largeSize  = 1 << 20
	largePipes = 2
	// sparePipes is how many are kept for whoever moves something next.
	sparePipes = 8
)

// pipes are what bytes are moved through. A connection has one only while it moves something: io.Copy has one for each direction for as
// long as it lasts, and 33 connections of a user took all that there are.
type pipes struct {
	spare []*sys.SplicePipe
	made  int // and not closed
}

func (p *pipes) get() (*sys.SplicePipe, error) {
	if last := len(p.spare) - 1; last >= 0 {
		pipe := p.spare[last]
		p.spare = p.spare[:last]
		return pipe, nil
	}
	size := pipeSize
	if p.made < largePipes {
		size = largeSize
	}
	pipe, err := sys.NewSplicePipe(size)
	if err == nil {
		p.made++
	}
	return pipe, err
}

// put takes an empty pipe back.
func (p *pipes) put(pipe *sys.SplicePipe) {
	if len(p.spare) == sparePipes {
		p.drop(pipe)
		return
	}
	p.spare = append(p.spare, pipe)
}

// drop closes a pipe, with what nobody takes any more.
func (p *pipes) drop(pipe *sys.SplicePipe) {
	_ = pipe.Close()
	p.made--
}

func (p *pipes) close() {
	for _, pipe := range p.spare {
		p.drop(pipe)
	}
	p.spare = nil
}
