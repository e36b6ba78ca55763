package helper_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
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

// What users read of it is one sentence.
func TestAHelperThatDoesNotServeIsOneSentence(t *testing.T) {
	for answer, want := range map[string]string{
		"foreign\n": "nobody serves that in this namespace",
		"":          "nobody serves that: who was asked did not answer: EOF",
	} {
		dir := t.TempDir()
		socket, err := net.Listen("unix", filepath.Join(dir, helper.DNS.Socket()))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := helper.DNS.Dial(dir)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			peer, err := socket.Accept()
			if err == nil {
				_, err = bufio.NewReader(peer).ReadString('\n')
			}
			if err == nil {
				_, err = peer.Write([]byte(answer))
			}
			done <- errors.Join(err, peer.Close())
		}()
		if err := helper.Ask(t.Context(), conn, "x"); !errors.Is(err, helper.ErrNone) || err.Error() != want {
			t.Errorf("%v, want: %s", err, want)
		}
		if err := errors.Join(<-done, conn.Close(), socket.Close()); err != nil {
			t.Error(err)
		}
	}
}
