package runtime_test

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
)

// Whoever launches a container may live for months: nothing of setting it up may stay open, as what is open keeps the container's mounts.
func TestALauncherKeepsNothingOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would close what is forgotten
	l := own(t)
	for name, change := range map[string]func(b *runtime.Bundle){
		"plain":        func(*runtime.Bundle) {},
		"init":         func(b *runtime.Bundle) { b.Init = true },
		"no command":   func(b *runtime.Bundle) { b.Spec.Process.Args = []string{"nowhere"} },
		"no directory": func(b *runtime.Bundle) { b.Spec.Process.Cwd = "/etc/passwd" },
		"a terminal": func(b *runtime.Bundle) {
			b.Spec.Process.Terminal = true
			b.Spec.Process.Args = []string{"true"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 3 {
				before := descriptors(t)
				b := bundle(t, "true")
				change(b)
				p, err := create(l, encode(t, b), runtime.Stdio{}, nil)
				if err == nil {
					if console := p.Console(); console != nil {
						defer console.Close()
						before++
					}
					if err = p.Start(); err == nil {
						_, err = p.Wait()
						must(t, err)
					}
					must(t, p.Delete())
				}
				// The first one may open what stays, such as the runtime's poller.
				if after := descriptors(t); i > 0 && after != before {
					t.Errorf("%d descriptors were open before it, and %d after it", before, after)
				}
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// Nobody is let into a container before its first process has executed the command: until then there is something of whoever sets it up to be got at.
func TestNobodyJoinsAContainerBeforeItsStart(t *testing.T) {
	l := own(t)
	for name, change := range map[string]func(b *runtime.Bundle){
		"memory that is shared": func(*runtime.Bundle) {},
		"memory of its own":     func(b *runtime.Bundle) { score := 100; b.Spec.Process.OOMScoreAdj = &score },
	} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "exec sleep 1000")
			change(b)
			p, err := create(l, encode(t, b), runtime.Stdio{}, nil)
			must(t, err)
			l.Spare = func() []int { return []int{p.Pid()} } // of one that has no PID namespace of its own
			join := func(ctx context.Context) error {
				spec := &specs.Process{Args: []string{"true"}, Cwd: "/"}
				e, err := runtime.Exec(ctx, runtime.Target{Pid: p.Pid()}, func() (*runtime.Task, error) { return &runtime.Task{Process: spec}, nil }, runtime.Stdio{}, program(t))
				if err == nil {
					err = e.Start()
				}
				if err == nil {
					_, err = e.Wait()
				}
				return err
			}
			share := func(ctx context.Context) error {
				other := bundle(t, "true")
				other.Spec.Linux.Namespaces[0].Path = "/proc/" + itoa(p.Pid()) + "/ns/pid"
				o, err := l.Create(ctx, encode(t, other), runtime.Stdio{}, nil)
				if err == nil {
					err = o.Ready(context.Background())
				}
				if err == nil {
					err = o.Start()
				}
				if err == nil {
					_, err = o.Wait()
				}
				return err
			}
			for way, do := range map[string]func(context.Context) error{"exec": join, "its PID namespace": share} {
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				if err := do(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: got %v before the start, want that it waits", way, err)
				}
				cancel()
			}
			must(t, p.Start())
			for way, do := range map[string]func(context.Context) error{"exec": join, "its PID namespace": share} {
				if err := do(context.Background()); err != nil {
					t.Errorf("%s: got %v after the start", way, err)
				}
			}
			must(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
			_, err = p.Wait()
			must(t, err)
		})
	}
}
