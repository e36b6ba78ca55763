package logs

import "io"

// output gathers what goes to a sink: one batch for each run of records of one stream, so that the
// order between the streams is kept at few calls.
type output struct {
	options Options
	sink    Sink
	buf     []byte
	stream  Stream
	open    [2]bool // the stream's last line has no end yet
}

func (o *output) record(r *record) error {
	if r.stream != o.stream || len(o.buf) > 64<<10 {
		if err := o.flush(); err != nil {
			return err
		}
		o.stream = r.stream
	}
	if o.writer() == nil {
		return nil
	}
	if o.options.Timestamps && !o.open[r.stream] {
		o.buf = append(append(o.buf, r.stamp...), ' ')
	}
	o.buf = append(o.buf, r.text...)
	if !r.part {
		o.buf = append(o.buf, '\n')
	}
	o.open[r.stream] = r.part
	return nil
}

func (o *output) writer() io.Writer {
	if o.stream == Stderr {
		return o.sink.Stderr
	}
	return o.sink.Stdout
}

func (o *output) flush() error {
	w := o.writer()
	if len(o.buf) == 0 || w == nil {
		return nil
	}
	_, err := w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}
