package runtime_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/sys"
)

func TestMain(m *testing.M) {
	runtime.Stage()
	if err := sys.AdoptOrphans(); err != nil {
		panic(err)
	}
	if os.Getenv(built) == "" { // now: launching changes the working directory
		moss, err := filepath.Abs("../../bin/moss")
		if err != nil {
			panic(err)
		}
		os.Setenv(built, moss)
	}
	os.Exit(m.Run())
}

// program is this test binary as a sealed memory file.
func program(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f, err := sys.SealedProgram("moss-monitor", b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return "/proc/" + itoa(os.Getpid()) + "/fd/" + itoa(int(f.Fd()))
}

// image makes an image of one layer with busybox in it.
func image(t *testing.T) *runtime.Overlay {
	t.Helper()
	dir := t.TempDir()
	layer := filepath.Join(dir, "overlay", "layer", "diff")
	for _, d := range []string{"bin", "etc", "tmp", "root", "home/alice"} {
		must(t, os.MkdirAll(filepath.Join(layer, d), 0o755))
	}
	busybox, err := os.ReadFile("/bin/busybox")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(layer, "bin/busybox"), busybox, 0o755))
	for _, name := range strings.Fields("sh cat id env ls grep stat true false sleep kill pwd hostname mount touch echo ps dd readlink stty head wc tr ulimit umask test mkdir sort nc trap") {
		must(t, os.Symlink("busybox", filepath.Join(layer, "bin", name)))
	}
	write(t, layer, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nzero:x:zero:zero::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\n")
	write(t, layer, "etc/group", "root:x:0:\nalice:x:1000:\nwheel:x:10:alice\naudio:x:29:\n")
	for _, d := range []string{"overlay/l", "upper", "work"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	must(t, os.Symlink("../layer/diff", filepath.Join(dir, "overlay/l/A")))
	return &runtime.Overlay{
		Home: filepath.Join(dir, "overlay"), Lower: []string{"l/A"},
		Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"), Volatile: true, UserXattr: os.Getenv(inside) != "",
	}
}

func layer(o *runtime.Overlay) string { return filepath.Join(o.Home, "layer/diff") }

// bundle is a container as Moss makes it, which runs a shell script.
func bundle(t *testing.T, script string) *runtime.Bundle {
	t.Helper()
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_NET_BIND_SERVICE"}
	mask := uint32(0o022)
	run := filepath.Join(t.TempDir(), "run")
	must(t, os.Mkdir(run, 0o700))
	return &runtime.Bundle{
		ID: "test-" + itoa(os.Getpid()), RunDir: run, Overlay: image(t),
		Spec: &specs.Spec{
			Version: "1.0.2", Root: &specs.Root{Path: "rootfs"}, Hostname: "moss",
			Process: &specs.Process{
				Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/bin", "A=b"}, Cwd: "/",
				User:            specs.User{Umask: &mask},
				Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
				NoNewPrivileges: false,
			},
			Mounts: []specs.Mount{
				{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
				{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
				{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
				{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
				{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=1m"}},
				{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			},
			Linux: &specs.Linux{
				Namespaces: []specs.LinuxNamespace{
					{Type: specs.PIDNamespace},
					{Type: specs.NetworkNamespace},
					{Type: specs.IPCNamespace},
					{Type: specs.UTSNamespace},
					{Type: specs.MountNamespace},
					{Type: specs.CgroupNamespace},
				},
				MaskedPaths:   []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"},
				ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
			},
		},
	}
}

// create sets a container up.
func create(l runtime.Launcher, b runtime.Encoded, io runtime.Stdio, netns *os.File) (runtime.Process, error) {
	goruntime.LockOSThread() // as New says; the thread ends with the test
	p, err := l.Create(context.Background(), b, io, netns)
	if err == nil {
		err = p.Ready(context.Background())
	}
	return p, err
}

// own is our launcher as monitors have it.
func own(t *testing.T) *runtime.Own {
	l := runtime.New(program(t))
	l.Beside = true
	return l
}

// result is what a finished container left.
type result struct {
	code int
	out  string // both streams
}

// run runs a container from beginning to end.
func run(t *testing.T, l runtime.Launcher, b *runtime.Bundle) (result, error) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	p, err := create(l, encode(t, b), runtime.Stdio{Stdout: w, Stderr: w}, nil)
	w.Close()
	if err != nil {
		return result{}, err
	}
	if err := p.Start(); err != nil {
		return result{}, errors.Join(err, p.Delete())
	}
	out, err := io.ReadAll(r)
	must(t, err)
	code, err := p.Wait()
	must(t, err)
	must(t, p.Delete())
	return result{code, string(out)}, nil
}

// mustRun is run that must succeed in starting.
func mustRun(t *testing.T, l runtime.Launcher, b *runtime.Bundle) result {
	t.Helper()
	r, err := run(t, l, b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// launchers are those that every test of the suite runs with.
func launchers(t *testing.T) map[string]runtime.Launcher {
	t.Helper()
	list := map[string]runtime.Launcher{"own": own(t), "own, by processes": runtime.New(program(t))}
	if path, err := exec.LookPath("runc"); err == nil {
		list["runc"] = runtime.NewOCI(path, nil)
	}
	list["moss runtime"] = runtime.NewOCI(ownRuntime(t), nil)
	return list
}

// ownRuntime is Moss as an OCI runtime.
func ownRuntime(t *testing.T) string {
	t.Helper()
	moss := os.Getenv(built)
	if !sys.Exists(moss) {
		t.Fatal("there is no bin/moss to test as an OCI runtime: run make build")
	}
	link := filepath.Join(t.TempDir(), "moss-runtime")
	must(t, os.Symlink(moss, link))
	return link
}

// built says where the moss is that was built.
const built = "MOSS"

// inside says that the tests run in a user namespace.
const inside = "MOSS_TEST_IN_USER_NAMESPACE"

// TestAllOfThisInAUserNamespace runs all other tests as an unprivileged user with subordinate ids.
func TestAllOfThisInAUserNamespace(t *testing.T) {
	if os.Getenv(inside) != "" || os.Getuid() != 0 {
		return
	}
	dir, err := os.MkdirTemp("/tmp", "moss-runtime-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o777))
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "tests"), self, 0o755))
	moss, err := os.ReadFile(ownRuntime(t))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "moss"), moss, 0o755))
	args := "-test.v=" + map[bool]string{true: "true", false: "false"}[testing.Verbose()]
	script := "cd " + dir + " && TMPDIR=" + dir + " " + inside + "=1 " + built + "=" + dir + "/moss exec unshare --user --map-auto --map-root-user --mount --propagation private " +
		"env PATH=/usr/sbin:/usr/bin:/sbin:/bin ./tests " + args
	out, err := exec.Command("su", "mosstest", "-s", "/bin/sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
}

func encode(t *testing.T, b *runtime.Bundle) runtime.Encoded {
	t.Helper()
	e, err := b.Encode()
	must(t, err)
	return e
}
