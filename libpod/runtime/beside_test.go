package runtime_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
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

// Who asks for a container's namespaces finds its own as soon as it is set up: before its start, too.
func TestAContainerHasItsNamespacesBeforeItsStart(t *testing.T) {
	holder := exec.Command("unshare", "--net", "--uts", "--ipc", "sh", "-c", "echo; exec sleep 1000")
	out, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	defer func() {
		must(t, holder.Process.Kill())
		_ = holder.Wait() // it was killed
	}()
	_, err = out.Read(make([]byte, 1))
	must(t, err)
	namespaces := "/proc/" + itoa(holder.Process.Pid) + "/ns/"
	netns, err := os.Open(namespaces + "net")
	must(t, err)
	defer netns.Close()
	b := bundle(t, "true")
	for i, n := range b.Spec.Linux.Namespaces {
		if n.Type == specs.UTSNamespace || n.Type == specs.IPCNamespace {
			b.Spec.Linux.Namespaces[i].Path = namespaces + string(n.Type)
		}
	}
	p, err := create(own(t), encode(t, b), runtime.Stdio{}, netns)
	must(t, err)
	for _, name := range []string{"net", "uts", "ipc"} {
		want, err := os.Readlink(namespaces + name)
		must(t, err)
		got, err := os.Readlink("/proc/" + itoa(p.Pid()) + "/ns/" + name)
		must(t, err)
		if name == "net" && got != want || hasPath(b, name) && got != want {
			t.Errorf("its namespace is %s, want %s", got, want)
		}
	}
	must(t, p.Start())
	_, err = p.Wait()
	must(t, err)
}

func hasPath(b *runtime.Bundle, kind string) bool {
	for _, n := range b.Spec.Linux.Namespaces {
		if string(n.Type) == kind {
			return n.Path != ""
		}
	}
	return false
}

// What fails when the process is about to execute its command ends it.
func TestWhatFailsAtTheStartEndsTheProcess(t *testing.T) {
	b := bundle(t, "true")
	b.Seccomp = filepath.Join(t.TempDir(), "filter")
	must(t, os.WriteFile(b.Seccomp, []byte("seven b"), 0o600))
	p, err := create(own(t), encode(t, b), runtime.Stdio{}, nil)
	must(t, err)
	if err := p.Start(); !errors.Is(err, errdefs.ErrDamaged) && (err == nil || !strings.Contains(err.Error(), "seccomp")) {
		t.Errorf("got %v, want that the filter is none", err)
	}
	if err := syscall.Kill(p.Pid(), 0); err == nil {
		t.Error("its process is there")
	}
}

// A limit of no open files at all is for the command alone.
func TestACommandMayHaveNoOpenFiles(t *testing.T) {
	for name, l := range map[string]runtime.Launcher{"by a thread": own(t), "by a process": runtime.New(program(t))} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "ulimit -n")
			b.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE"}}
			if r := mustRun(t, l, b); strings.TrimSpace(r.out) != "0" {
				t.Errorf("got %q", r.out)
			}
		})
	}
}

// What the kernel refuses is told as what could not be done, also where nobody expects that it may.
func TestRefusedCallsAreToldInASentence(t *testing.T) {
	for name, l := range map[string]runtime.Launcher{"by a thread": own(t), "by a process": runtime.New(program(t))} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "true")
			for i, n := range b.Spec.Linux.Namespaces {
				if n.Type == specs.UTSNamespace {
					b.Spec.Linux.Namespaces[i].Path = "/proc/self/ns/ipc"
				}
			}
			if _, err := run(t, l, b); err == nil || !strings.HasPrefix(err.Error(), "cannot set up a process of the container: setns") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Root of a container gets what is in its bounding set. Who may not take anything out of that starts nothing that must not have all of it.
func TestWhoCannotTakeCapabilitiesAwayStartsNothing(t *testing.T) {
	for name, l := range map[string]runtime.Launcher{"by a thread": own(t), "by a process": runtime.New(program(t))} {
		t.Run(name, func(t *testing.T) {
			goruntime.LockOSThread() // the thread ends with the test
			had, err := sys.Permitted()
			must(t, err)
			less := &sys.Birth{}
			less.DropBounding(int(capability.CAP_SETPCAP)) // who is root has it again with the next execve(2)
			less.Capabilities(had&^(1<<capability.CAP_SETPCAP), had&^(1<<capability.CAP_SETPCAP), 0)
			must(t, less.Do())
			r, err := run(t, l, bundle(t, "grep CapEff /proc/self/status"))
			if err == nil || !strings.Contains(err.Error(), "CAP_SETPCAP") {
				t.Errorf("got %v: %s", err, r.out)
			}
		})
	}
}

// A filter may end the one thread that is to execute the command. The others of a stage that is a program would wait for ever.
func TestAFilterThatEndsTheFirstThreadEndsTheProcess(t *testing.T) {
	for name, l := range map[string]runtime.Launcher{"by a thread": own(t), "by a process": runtime.New(program(t))} {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "true")
			b.Seccomp = filepath.Join(t.TempDir(), "filter")
			const load, equal, end, kill, allow = 0x20, 0x15, 0x06, 0, 0x7fff0000
			filter, err := binary.Append(nil, binary.NativeEndian, []syscall.SockFilter{
				{Code: load, K: 0}, {Code: equal, Jf: 1, K: syscall.SYS_EXECVE}, {Code: end, K: kill}, {Code: end, K: allow},
			})
			must(t, err)
			must(t, os.WriteFile(b.Seccomp, filter, 0o600))
			p, err := create(l, encode(t, b), runtime.Stdio{}, nil)
			must(t, err)
			must(t, p.Start())
			if code, err := p.Wait(); err != nil || code <= 128 {
				t.Errorf("ended with %d, %v", code, err)
			}
		})
	}
}
