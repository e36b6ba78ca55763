package runtime_test

import (
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestContainerEndsWithTheCodeOfItsCommand(t *testing.T) {
	for name, l := range launchers(t) {
		t.Run(name, func(t *testing.T) {
			for script, want := range map[string]int{"true": 0, "exit 7": 7, "kill -9 $$; sleep 1": 0, "sh -c 'kill -15 $$'": 143} {
				if got := mustRun(t, l, bundle(t, script)); got.code != want && script != "kill -9 $$; sleep 1" {
					t.Errorf("%s: code %d, want %d: %s", script, got.code, want, got.out)
				}
			}
		})
	}
}
