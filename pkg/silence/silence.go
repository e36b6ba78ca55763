// Package silence gives up on servers that keep a connection and carry nothing on it: neither the kernel nor net/http ever does.
package silence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Usual is how long a server may carry nothing. One that is a cache of another has to fetch first what it is asked for. It is longer than
// clients keep a connection that they do not use, which are 90 seconds: so one that is open and still for this long is waited for.
const Usual = 2 * time.Minute

// Ask is Watch, for Patience, of what has an answer.
func Ask[T any](ctx context.Context, do func(context.Context) (T, error)) (answer T, err error) {
	err = Watch(ctx, 0, func(ctx context.Context) error {
		answer, err = do(ctx)
		return err
	})
	return answer, err
}

// Watch calls do with a context that ends when the servers that do asks by HTTP have carried nothing for a while, be it of their answers or of what is
// sent to them. Then it returns an *Error. A wait of 0 is Patience.
func Watch(ctx context.Context, wait time.Duration, do func(context.Context) error) error {
	if wait == 0 {
		wait = Patience()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	e := &ear{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.listen(ctx, wait, cancel)
	}()
	err := do(e.trace(ctx))
	var silent *Error
	if err != nil && errors.As(context.Cause(ctx), &silent) {
		err = silent
	}
	cancel(nil)
	<-done
	return err
}

// Patience is how long servers may carry nothing: MOSS_PATIENCE seconds, or Usual.
func Patience() time.Duration {
	if seconds, err := strconv.ParseUint(os.Getenv("MOSS_PATIENCE"), 10, 31); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	return Usual
}

// Error says that nothing came. It may pass: it is a net.Error.
type Error struct{ Wait time.Duration }

func (e *Error) Error() string { return fmt.Sprintf("the server has sent nothing for %s", e.Wait) }

// Timeout is of net.Error.
func (*Error) Timeout() bool { return true }

// Temporary is of net.Error.
func (*Error) Temporary() bool { return true }
