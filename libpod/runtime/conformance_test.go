package runtime_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

func itoa(n int) string { return strconv.Itoa(n) }

// rule is one thing that every launcher must do: what a script prints in a container.
type rule struct {
	name   string
	change func(t *testing.T, b *runtime.Bundle)
	script string
	want   string // "" is: only the code counts
	code   int
}

var rules = []rule{
	{name: "exit code", script: "exit 7", code: 7},
	{name: "signal of a child", script: "sh -c 'kill -15 $$'; exit $?", code: 143},
	{name: "first process is PID 1", script: "echo $$", want: "1"},
	{name: "environment", script: "echo $A $HOME", want: "b /root"},
	{name: "host name", script: "hostname", want: "moss"},
	{name: "nothing but a loopback interface, which is up", script: "for i in /sys/class/net/*; do basename $i; cat $i/flags; done", want: "lo\n0x9"},
	{name: "umask", script: "umask", want: "0022"},
	{
		name: "working directory is made", script: "pwd", want: "/a/b",
		change: func(_ *testing.T, b *runtime.Bundle) { b.Spec.Process.Cwd = "/a/b" },
	},
	{
		name: "working directory behind a link to the process itself", script: "pwd", want: "/proc/1/task",
		change: func(t *testing.T, b *runtime.Bundle) {
			must(t, os.Symlink("/proc/self/task", filepath.Join(layer(b.Overlay), "itself")))
			b.Spec.Process.Cwd = "/itself"
		},
	},
	{
		name: "user by name", script: "id", want: "uid=1000(alice) gid=1000(alice) groups=10(wheel),1000(alice)",
		change: func(_ *testing.T, b *runtime.Bundle) { b.User = "alice" },
	},
	{
		name: "user by number gets a home", script: "echo $(id -u) $(id -g) $HOME", want: "1000 1000 /home/alice",
		change: func(_ *testing.T, b *runtime.Bundle) { b.User = "1000" },
	},
	{
		name: "a user opens its own streams", script: "echo out >/dev/stdout; echo err >/dev/stderr", want: "out\nerr",
		change: func(_ *testing.T, b *runtime.Bundle) { b.User = "alice" },
	},
	{
		name: "user and groups", script: "id -G", want: "29",
		change: func(_ *testing.T, b *runtime.Bundle) { b.User, b.Groups = "alice:audio", []string{"audio"} },
	},
	{
		name: "capabilities", script: "grep Cap /proc/self/status | tr -d '\\n\\t '",
		want: "CapInh:0000000000000000CapPrm:00000000000004ebCapEff:00000000000004ebCapBnd:00000000000004ebCapAmb:0000000000000000",
	},
	{
		name: "no capabilities for a user", script: "grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr -d '\\n\\t '",
		want:   "CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapAmb:0000000000000000",
		change: func(_ *testing.T, b *runtime.Bundle) { b.User = "alice" },
	},
	{
		name: "no new privileges", script: "grep NoNewPrivs /proc/self/status | tr '\\t' ' '", want: "NoNewPrivs: 1",
		change: func(_ *testing.T, b *runtime.Bundle) { b.Spec.Process.NoNewPrivileges = true },
	},
	{
		name: "masked and read-only paths", script: "cat /proc/timer_list | wc -c; ls /sys/firmware; (echo x >/proc/sys/kernel/hostname) 2>/dev/null || echo no",
		want: "0\nno",
	},
	{
		name: "read-only root", script: "touch /x 2>&1; touch /dev/shm/y && echo ok", want: "touch: /x: Read-only file system\nok",
		change: func(_ *testing.T, b *runtime.Bundle) { b.Spec.Root.Readonly = true },
	},
	{
		name: "bind mounts", script: "cat /m/f; touch /m/g 2>&1; cat /n", want: "hello\ntouch: /m/g: Read-only file system\nhello",
		change: func(t *testing.T, b *runtime.Bundle) {
			dir := t.TempDir()
			write(t, dir, "f", "hello\n")
			b.Spec.Mounts = append(b.Spec.Mounts,
				specs.Mount{Destination: "/m", Type: "bind", Source: dir, Options: []string{"rbind", "ro"}},
				specs.Mount{Destination: "/n", Type: "bind", Source: filepath.Join(dir, "f"), Options: []string{"rbind"}})
		},
	},
	{
		name: "a volume mounted through a link stays inside", script: "cat /run/x/f", want: "hello",
		change: func(t *testing.T, b *runtime.Bundle) {
			dir := t.TempDir()
			write(t, dir, "f", "hello\n")
			must(t, os.Symlink("/run", filepath.Join(layer(b.Overlay), "var")))
			b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/var/x", Type: "bind", Source: dir, Options: []string{"rbind"}})
		},
	},
	{
		name: "tmpfs with a size", script: "dd if=/dev/zero of=/t/x bs=1M count=2 2>/dev/null; stat -c %s /t/x", want: "1048576",
		change: func(_ *testing.T, b *runtime.Bundle) {
			b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/t", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "size=1m"}})
		},
	},
	{name: "devices", script: "cd /dev; for d in null zero full random urandom tty; do stat -c %n:%t:%T $d; done; for l in fd stdin ptmx; do readlink $l; done", want: "null:1:3\nzero:1:5\nfull:1:7\nrandom:1:8\nurandom:1:9\ntty:5:0\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx"},
	{
		name: "resource limits", script: "ulimit -n; ulimit -Hn", want: "100\n200",
		change: func(_ *testing.T, b *runtime.Bundle) {
			b.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 200}}
		},
	},
	{
		name: "kernel parameters", script: "cat /proc/sys/kernel/msgmax", want: "4096",
		change: func(_ *testing.T, b *runtime.Bundle) {
			b.Spec.Linux.Sysctl = map[string]string{"kernel.msgmax": "4096"}
		},
	},
	{name: "descriptors", script: "ls /proc/self/fd | tr '\\n' ' '", want: "0 1 2 3"}, // 3 is ls's own
	{
		name: "seccomp", script: "grep Seccomp: /proc/self/status | tr '\\t' ' '", want: "Seccomp: 2",
		change: func(t *testing.T, b *runtime.Bundle) {
			b.Seccomp = allowAll(t)
			b.Spec.Linux.Seccomp = &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow,
				Syscalls:      []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActErrno}},
			}
		},
	},
}

// allowAll is a compiled filter that allows every call: BPF_RET | BPF_K, SECCOMP_RET_ALLOW.
func allowAll(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "filter")
	must(t, os.WriteFile(file, []byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}, 0o600))
	return file
}

func TestLaunchersKeepTheSameRules(t *testing.T) {
	for name, l := range launchers(t) {
		for _, r := range rules {
			t.Run(name+"/"+r.name, func(t *testing.T) {
				b := bundle(t, r.script)
				if r.change != nil {
					r.change(t, b)
				}
				got := mustRun(t, l, b)
				if got.code != r.code || r.want != "" && strings.TrimSpace(got.out) != r.want {
					t.Errorf("code %d, want %d, output:\n%s\nwant:\n%s", got.code, r.code, got.out, r.want)
				}
			})
		}
	}
}

func TestCommandsThatCannotRunAreToldApart(t *testing.T) {
	for name, l := range launchers(t) {
		for command, want := range map[string]error{
			"nonsense": errdefs.ErrNoCommand, "/no/such": errdefs.ErrNoCommand,
			"/etc/passwd": errdefs.ErrNotExecutable, "/etc": errdefs.ErrNotExecutable,
		} {
			t.Run(name+command, func(t *testing.T) {
				b := bundle(t, "")
				b.Spec.Process.Args = []string{command}
				_, err := run(t, l, b)
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				t.Log(err)
			})
		}
	}
}

// Whoever gives a container up while it is set up is told that, and not that somebody has killed its first process.
func TestASetUpThatIsGivenUpIsNoFailure(t *testing.T) {
	p, err := own(t).Create(context.Background(), encode(t, bundle(t, "true")), runtime.Stdio{}, nil)
	must(t, err)
	ctx, giveUp := context.WithCancel(context.Background())
	giveUp()
	if err := p.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was given up", err)
	}
}

func TestTerminal(t *testing.T) {
	for name, l := range launchers(t) {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "read x; stty size; test -c /dev/console && echo console; readlink /proc/self/fd/0; exit 3")
			b.Spec.Process.Terminal = true
			p, err := create(l, encode(t, b), runtime.Stdio{}, nil)
			must(t, err)
			must(t, sys.SetWinsize(p.Console(), 33, 77))
			must(t, p.Start())
			_, err = p.Console().Write([]byte("go\n"))
			must(t, err)
			var out strings.Builder
			for lines := bufio.NewScanner(p.Console()); lines.Scan(); {
				out.WriteString(strings.TrimSpace(lines.Text()) + "\n")
			}
			code, err := p.Wait()
			must(t, err)
			must(t, p.Delete())
			if want := "go\n33 77\nconsole\n/dev/pts/0\n"; out.String() != want || code != 3 {
				t.Errorf("code %d, output %q, want %q", code, out.String(), want)
			}
		})
	}
}

func todo(t *runtime.Task) func() (*runtime.Task, error) {
	return func() (*runtime.Task, error) { return t, nil }
}

func TestExecSharesTheContainersNamespacesAndRestrictions(t *testing.T) {
	exe := program(t)
	for name, l := range launchers(t) {
		t.Run(name, func(t *testing.T) {
			p, err := create(l, encode(t, bundle(t, "touch /tmp/ready; sleep 1000")), runtime.Stdio{}, nil)
			must(t, err)
			must(t, p.Start())
			defer func() {
				must(t, syscall.Kill(p.Pid(), syscall.SIGKILL))
				_, err := p.Wait()
				must(t, err)
				must(t, p.Delete())
			}()
			script := "hostname; id -un; grep -E 'Cap(Inh|Amb)' /proc/self/status | tr -d '\\n\\t '; echo; grep Seccomp: /proc/self/status | tr '\\t' ' '; ls /proc/self/fd | tr '\\n' ' '; until grep -q sleep /proc/1/comm; do :; done; cat /proc/1/comm; exit 5"
			spec := bundle(t, script).Spec.Process
			r, w, err := os.Pipe()
			must(t, err)
			e, err := runtime.Exec(context.Background(), runtime.Target{Pid: p.Pid()}, todo(&runtime.Task{Process: spec, Seccomp: allowAll(t), User: "alice"}), runtime.Stdio{Stdout: w, Stderr: w}, exe)
			w.Close()
			must(t, err)
			must(t, e.Start())
			out := make([]byte, 4096)
			var text string
			for {
				n, err := r.Read(out)
				text += string(out[:n])
				if err != nil {
					break
				}
			}
			code, err := e.Wait()
			must(t, err)
			want := "moss\nalice\nCapInh:0000000000000000CapAmb:0000000000000000\nSeccomp: 2\n0 1 2 3 sleep\n"
			if code != 5 || text != want {
				t.Errorf("code %d, output %q, want %q", code, text, want)
			}
			_, err = runtime.Exec(context.Background(), runtime.Target{Pid: p.Pid()}, todo(&runtime.Task{Process: &specs.Process{Args: []string{"x"}, Cwd: "/proc/self/fd/5"}}), runtime.Stdio{}, exe)
			if err == nil {
				t.Error("a working directory outside of the container was accepted")
			}
		})
	}
}

func TestOwnInitForwardsSignalsAndReaps(t *testing.T) {
	l := own(t)
	b := bundle(t, "trap 'exit 9' TERM; echo $$; (sleep 0.01 &); echo ready; while true; do sleep 0.05; done")
	b.Init = true
	r, w, err := os.Pipe()
	must(t, err)
	p, err := create(l, encode(t, b), runtime.Stdio{Stdout: w, Stderr: w}, nil)
	w.Close()
	must(t, err)
	must(t, p.Start())
	lines := bufio.NewScanner(r)
	lines.Scan()
	if lines.Text() == "1" {
		t.Error("the command itself is PID 1")
	}
	lines.Scan()
	must(t, syscall.Kill(p.Pid(), syscall.SIGTERM))
	code, err := p.Wait()
	must(t, err)
	if code != 9 {
		t.Errorf("code %d, want 9: %s", code, lines.Text())
	}
	must(t, p.Delete())
	b = bundle(t, "")
	b.Init, b.Spec.Process.Args = true, []string{"nonsense"}
	if _, err := run(t, l, b); !errors.Is(err, errdefs.ErrNoCommand) {
		t.Errorf("got %v, want no such command", err)
	}
}

func TestAContainerWithoutPIDNamespaceLeavesNoProcess(t *testing.T) {
	b := bundle(t, "sleep 1000 >/dev/null 2>&1 & exit 0")
	b.Spec.Linux.Namespaces = b.Spec.Linux.Namespaces[1:]
	r := mustRun(t, own(t), b)
	if r.code != 0 {
		t.Fatalf("code %d: %s", r.code, r.out)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a process is left: %v", err)
	}
}

func TestVolumesAreFilledOnceFromTheImage(t *testing.T) {
	for name, l := range launchers(t) {
		t.Run(name, func(t *testing.T) {
			volume := t.TempDir()
			b := bundle(t, "cat /data/f; stat -c %a:%u:%h /data/f; readlink /data/l; stat -c %a /data")
			data := filepath.Join(layer(b.Overlay), "data")
			must(t, os.Mkdir(data, 0o750))
			must(t, os.WriteFile(filepath.Join(data, "f"), []byte("hello\n"), 0o640))
			must(t, os.Chown(filepath.Join(data, "f"), 5, 5))
			must(t, os.Link(filepath.Join(data, "f"), filepath.Join(data, "g")))
			must(t, os.Symlink("/etc/passwd", filepath.Join(data, "l")))
			b.CopyUp = []runtime.CopyUp{{Volume: volume, Filling: filepath.Join(t.TempDir(), "filling"), Target: "/data"}}
			b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/data", Type: "bind", Source: volume, Options: []string{"rbind"}})
			if got := mustRun(t, l, b); got.out != "hello\n640:5:2\n/etc/passwd\n750\n" {
				t.Errorf("got %q", got.out)
			}
		})
	}
}

func TestContainersJoinAGivenNetwork(t *testing.T) {
	for name, l := range launchers(t) {
		t.Run(name, func(t *testing.T) {
			holder := exec.Command("unshare", "--net", "sleep", "1000")
			must(t, holder.Start())
			defer func() {
				must(t, holder.Process.Kill())
				_ = holder.Wait() // it was killed
			}()
			path := "/proc/" + itoa(holder.Process.Pid) + "/ns/net"
			own, err := os.Readlink("/proc/self/ns/net")
			must(t, err)
			want := own
			for want == own { // until unshare has done it
				want, err = os.Readlink(path)
				must(t, err)
			}
			netns, err := os.Open(path)
			must(t, err)
			defer netns.Close()
			r, w, err := os.Pipe()
			must(t, err)
			p, err := create(l, encode(t, bundle(t, "readlink /proc/self/ns/net")), runtime.Stdio{Stdout: w}, netns)
			w.Close()
			must(t, err)
			must(t, p.Start())
			out, err := io.ReadAll(r)
			must(t, err)
			_, err = p.Wait()
			must(t, err)
			must(t, p.Delete())
			if got := strings.TrimSpace(string(out)); got != want {
				t.Errorf("network namespace %s, want %s", got, want)
			}
		})
	}
}

// TestLimitsApply needs a cgroup that can be written to: here that is root's.
func TestLimitsApply(t *testing.T) {
	if os.Getenv(inside) != "" {
		return
	}
	limit := int64(50)
	b := bundle(t, "grep pids /proc/self/cgroup || cat /proc/self/cgroup; sleep 1000 >/dev/null 2>&1 &")
	b.Spec.Linux.Namespaces = b.Spec.Linux.Namespaces[1:5] // neither PID nor cgroup namespace
	b.Spec.Linux.CgroupsPath = "/moss-test-" + itoa(os.Getpid())
	b.Spec.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
	r := mustRun(t, own(t), b)
	if !strings.Contains(r.out, b.Spec.Linux.CgroupsPath) {
		t.Errorf("the container is not in its cgroup: %s", r.out)
	}
	left, err := filepath.Glob("/sys/fs/cgroup/*" + b.Spec.Linux.CgroupsPath)
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
