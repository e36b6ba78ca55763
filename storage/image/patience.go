package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// usualPatience is how long a registry may send nothing. One that is a cache of another has to fetch first what it is asked for.
const usualPatience = 2 * time.Minute

// patience ends a request that is not answered any more. Nobody else does: the connection is alive.
type patience struct {
	after  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// listen begins to wait for an answer; the request is to be made with the context that it returns.
func listen(ctx context.Context, after time.Duration) (context.Context, *patience) {
	if after == 0 {
		after = usualPatience
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &patience{after, time.AfterFunc(after, func() { cancel(&silence{after}) }), cancel}
}

func (p *patience) end() {
	p.timer.Stop()
	p.cancel(nil)
}

// why is err, or that nothing came.
func (p *patience) why(ctx context.Context, err error) error {
	var silent *silence
	if errors.As(context.Cause(ctx), &silent) {
		return silent
	}
	return err
}

// reader is the answer. To do something else between two reads may take as long as it takes.
func (p *patience) reader(in io.Reader) io.Reader {
	p.timer.Stop()
	return &patientReader{p, in}
}

type patientReader struct {
	*patience
	in io.Reader
}

func (r *patientReader) Read(b []byte) (int, error) {
	r.timer.Reset(r.after)
	defer r.timer.Stop()
	return r.in.Read(b)
}

// silence is an error that may pass: net.Error.
type silence struct{ after time.Duration }

func (s *silence) Error() string { return fmt.Sprintf("the registry has sent nothing for %s", s.after) }
func (*silence) Timeout() bool   { return true }
func (*silence) Temporary() bool { return true }
