package monitor

import (
	"bytes"
	"testing"
	"time"
)

func FuzzFrames(f *testing.F) {
	f.Add(exitFrame(3))
	f.Add(append(resizeFrame(1, 2), 'o', 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		var buf, again []byte
		for {
			kind, payload, err := readFrame(r, &buf)
			if err != nil {
				break
			}
			again = append(appendHeader(again, kind, len(payload)), payload...)
		}
		if !bytes.HasPrefix(data, again) {
			t.Fatal("frames differ from what was sent")
		}
	})
}

func TestRestartPolicies(t *testing.T) {
	for _, c := range []struct {
		r              Restart
		code, restarts int
		again          bool
	}{
		{Restart{}, 1, 0, false},
		{Restart{Policy: RestartNo}, 1, 0, false},
		{Restart{Policy: RestartAlways}, 0, 1000, true},
		{Restart{Policy: RestartUnlessStopped}, 0, 1000, true},
		{Restart{Policy: RestartOnFailure}, 0, 0, false},
		{Restart{Policy: RestartOnFailure}, 1, 1000, true},
		{Restart{Policy: RestartOnFailure, Retries: 3}, 1, 2, true},
		{Restart{Policy: RestartOnFailure, Retries: 3}, 1, 3, false},
	} {
		if got := c.r.again(c.code, c.restarts); got != c.again {
			t.Errorf("%+v after code %d and %d restarts: %v", c.r, c.code, c.restarts, got)
		}
	}
}

func TestPausesDoubleUpToAMinute(t *testing.T) {
	last := time.Duration(0)
	for _, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		if last = pause(last, time.Second); last != want {
			t.Fatal(last, want)
		}
	}
	if p := pause(50*time.Second, time.Second); p != longPause {
		t.Fatal(p)
	}
	if p := pause(longPause, longLife); p != firstPause {
		t.Fatal(p)
	}
}
