package image

import (
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mosscontainers/moss/pkg/term"
)

// bars show how layers come: bars on a terminal, a line for each elsewhere.
type bars struct {
	out io.Writer // nil is quiet
	all *mpb.Progress
}

func newBars(out io.Writer) *bars {
	b := &bars{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(f) {
		b.all = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
	}
	return b
}

// add begins to show a blob of size bytes, -1 where that is not known.
func (b *bars) add(blob digest.Digest, size int64) *bar {
	what := "Copying blob " + blob.Encoded()[:12]
	if b.all == nil {
		if b.out != nil {
			fmt.Fprintln(b.out, what)
		}
		return &bar{}
	}
	return &bar{b.all.AddBar(max(size, 0),
		mpb.PrependDecorators(decor.Name(what, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.OnComplete(decor.CountersKibiByte("%.1f / %.1f"), "done")))}
}

// close waits until all that was shown is drawn.
func (b *bars) close() {
	if b.all != nil {
		b.all.Wait()
	}
}

type bar struct{ *mpb.Bar }

func (b *bar) reader(in io.Reader) io.Reader {
	if b.Bar == nil {
		return in
	}
	return b.ProxyReader(in)
}

// end leaves a complete bar, or takes that of a failed blob away.
func (b *bar) end(err error) {
	switch {
	case b.Bar == nil:
	case err != nil:
		b.Abort(true)
	default:
		b.SetTotal(-1, true)
	}
}
