package helper_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Who waits for a helper that hangs waits for it once.
func TestASilentHelperIsAskedOnce(t *testing.T) {
	dir := t.TempDir()
	control, err := sys.ListenUnix(dir, helper.DNS.Socket())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	asked, missing := 0, errors.New("no program")
	w := helper.Wanted{
		Kind: helper.DNS, RunDir: dir, Name: "silent", Program: func() (*os.File, error) { return nil, missing },
		Ask: func(ctx context.Context, conn *os.File) error {
			defer conn.Close()
			asked++
			return helper.Ask(ctx, conn, "x")
		},
	}
	if err := w.Ensure(t.Context()); !errors.Is(err, missing) || asked != 1 {
		t.Errorf("it was asked %d times: %v", asked, err)
	}
}
