package seccomp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// loadEnv makes the test binary load the filter it names and execute its arguments.
const loadEnv = "MOSS_TEST_SECCOMP"

func TestMain(m *testing.M) {
	if path := os.Getenv(loadEnv); path != "" {
		loadAndExec(path)
	}
	os.Exit(m.Run())
}

func loadAndExec(path string) {
	runtime.LockOSThread() // a filter belongs to a thread, and so does execve
	program, err := os.ReadFile(path)
	b := &sys.Birth{}
	b.NoNewPrivs()
	if err == nil {
		err = b.Seccomp(program, func(err error) error { return err })
	}
	if err == nil {
		err = b.Program(os.Args[1:2], os.Args[1:], nil, "")
	}
	if err == nil {
		var tried []syscall.Errno
		tried, err = b.Exec()
		err = errors.Join(err, fmt.Errorf("cannot execute it: %v", tried))
	}
	os.Stderr.WriteString(err.Error())
	os.Exit(1)
}

var defaultCaps = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT"}

func buildProbe(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "probe")
	out, err := exec.Command("gcc", "-static", "-o", exe, "testdata/probe.c").CombinedOutput()
	if err != nil {
		t.Fatalf("cannot build the probe: %v\n%s", err, out)
	}
	return exe
}

// probe gives the answers of the calls under a filter.
func probe(t *testing.T, filter string, argv ...string) (map[string]string, error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], argv...)
	cmd.Env = []string{loadEnv + "=" + filter}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	answers := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
		answers[name] = answer
	}
	return answers, err
}

func compile(t *testing.T, profile string, caps []string, opts seccomp.Options) string {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	path, err := seccomp.Compile(context.Background(), profile, caps, opts)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func check(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, answer := range want {
		if got[name] != answer {
			t.Errorf("%s answers %q, want %q", name, got[name], answer)
		}
	}
}

const eperm, enosys, enoent, ebadf, eafnosupport = "1", "38", "2", "9", "97"

func TestDefaultProfile(t *testing.T) {
	exe := buildProbe(t)
	got, err := probe(t, compile(t, "", defaultCaps, seccomp.Options{}), exe, "x32")
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, map[string]string{
		"getpid": "0", "unix-socket": "0",
		"af_alg": eperm, "af_vsock": eperm, "af_alg-high": eperm, "af_vsock-high": eperm, "af_vsock-negative": eperm,
		"unix-socket-high": "0", "netlink-socket": "0", "unknown-socket": eafnosupport,
		"io_uring_setup": enosys, "io_uring_enter": enosys, "io_uring_register": enosys,
		"userfaultfd": eperm, "add_key": eperm, "request_key": eperm, "keyctl": eperm,
		"open_tree": eperm, "move_mount": eperm, "fsopen": eperm, "fsconfig": eperm, "fsmount": eperm, "fspick": eperm,
		"mount_setattr": eperm, "clone3": enosys, "unshare-user": eperm, "bpf": eperm, "mount": eperm,
		"fchmodat2": enoent, "newer": enosys, "chown": enoent,
	})
	if runtime.GOARCH == "amd64" && (got["x32"] == "0" || got["x32"] == "") {
		t.Errorf("x32 answers %q, want an error", got["x32"])
	}
}

func TestThirtyTwoBitEntryPointIsKilled(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("only amd64 has the entry point of i386")
	}
	exe := buildProbe(t)
	_, err := probe(t, compile(t, "", defaultCaps, seccomp.Options{}), exe, "i386")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
		t.Fatalf("the probe ended with %v, want SIGSYS", err)
	}
}

func TestKinAllowsTheThirtyTwoBitEntryPoint(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("only amd64 has the entry point of i386")
	}
	exe := buildProbe(t)
	got, err := probe(t, compile(t, "", defaultCaps, seccomp.Options{Kin: true}), exe, "i386")
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, map[string]string{"getpid": "0", "userfaultfd": eperm, "io_uring_setup": enosys, "mount": eperm, "i386": "0"})
	got, err = probe(t, compile(t, "", defaultCaps, seccomp.Options{Kin: true}), exe, "x32")
	if err != nil || got["x32"] == "0" || got["x32"] == "" {
		t.Errorf("x32 answers %q, want an error (%v)", got["x32"], err)
	}
}

func TestCapabilityAllowsItsCalls(t *testing.T) {
	exe := buildProbe(t)
	got, err := probe(t, compile(t, "", append(defaultCaps, "CAP_SYS_ADMIN"), seccomp.Options{}), exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"io_uring_setup", "userfaultfd", "keyctl", "add_key", "af_alg"} {
		if got[name] == "0" || got[name] == "" {
			t.Errorf("%s answers %q even with CAP_SYS_ADMIN, want an error", name, got[name])
		}
	}
	if got["fsconfig"] == eperm {
		t.Error("fsconfig is refused with CAP_SYS_ADMIN")
	}
}

func TestSingleIDMakesChownSucceed(t *testing.T) {
	exe := buildProbe(t)
	got, err := probe(t, compile(t, "", defaultCaps, seccomp.Options{SingleID: true}), exe)
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, map[string]string{"chown": "0", "setgroups": "0", "userfaultfd": eperm, "getpid": "0"})
}

func TestCompiledFilterIsKept(t *testing.T) {
	opts := seccomp.Options{Dir: filepath.Join(t.TempDir(), "seccomp")}
	first := compile(t, "", defaultCaps, opts)
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	reversed := []string{"CAP_SYS_CHROOT", "CAP_SETGID", "CAP_SETUID", "CAP_DAC_OVERRIDE", "CAP_CHOWN"}
	if again := compile(t, "", reversed, opts); again != first {
		t.Errorf("the order of capabilities changes the filter: %s and %s", first, again)
	}
	after, err := os.Stat(first)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the filter was compiled again (%v)", err)
	}
	if other := compile(t, "", nil, opts); other == first {
		t.Error("other capabilities give the same filter")
	}
	if err := os.Truncate(first, 0); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(compile(t, "", defaultCaps, opts)); err != nil || info.Size() != before.Size() {
		t.Errorf("an emptied filter was not made anew: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(opts.Dir, ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
}

func TestProfileFromFile(t *testing.T) {
	for _, c := range []struct{ name, text, wrong string }{
		{"docker", `{"defaultAction":"SCMP_ACT_ALLOW","archMap":[],"syscalls":[{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errnoRet":99}]}`, ""},
		{"oci", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errnoRet":99}]}`, ""},
		{"not JSON", `nonsense`, "it is not JSON"},
		{"empty", `{}`, "it has no rules"},
		{"no action", `{"syscalls":[{"names":["keyctl"],"action":"SCMP_ACT_ERRNO"}]}`, `the action "" is not known`},
		{"wrong action", `{"defaultAction":"ALLOW"}`, `the action "ALLOW" is not known`},
		{"notify", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_NOTIFY"}]}`, "needs a program that listens"},
		{"operator", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"X"}]}]}`, `the operator "X" is not known`},
		{"errno", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","errnoRet":70000}]}`, "above 4095"},
		{"architecture", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_VAX"]}`, "is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "profile.json")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			path, err := seccomp.Compile(context.Background(), file, nil, seccomp.Options{Dir: t.TempDir()})
			if c.wrong != "" {
				if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("error is %v, want %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := probe(t, path, buildProbe(t))
			if err != nil {
				t.Fatal(err)
			}
			check(t, got, map[string]string{"keyctl": "99", "getpid": "0"})
		})
	}
}

// TestConditionsSeeWhatTheKernelTakes asks with a half of a register that the kernel does not look at.
func TestConditionsSeeWhatTheKernelTakes(t *testing.T) {
	exe := buildProbe(t)
	for _, c := range []struct {
		name, rule string
		want       map[string]string
	}{
		{
			"equal", `"names":["ioctl","getppid"],"args":[{"index":1,"op":"SCMP_CMP_EQ","value":21522}]`,
			map[string]string{"tiocsti": "99", "tiocsti-high": "99", "getpid": "0"},
		},
		{
			"with another", `"names":["ioctl"],"args":[{"index":2,"op":"SCMP_CMP_EQ","value":0},{"index":1,"op":"SCMP_CMP_EQ","value":21522}]`,
			map[string]string{"tiocsti": "99", "tiocsti-high": "99"},
		},
		{
			"unlike another", `"names":["ioctl"],"args":[{"index":2,"op":"SCMP_CMP_EQ","value":1},{"index":1,"op":"SCMP_CMP_EQ","value":21522}]`,
			map[string]string{"tiocsti": ebadf, "tiocsti-high": ebadf},
		},
		{
			"alternatives", `"names":["socket"],"args":[{"index":0,"op":"SCMP_CMP_EQ","value":40},{"index":0,"op":"SCMP_CMP_EQ","value":38}]`,
			map[string]string{"af_alg": "99", "af_alg-high": "99", "af_vsock-high": "99", "unix-socket-high": "0"},
		},
		{
			"unequal", `"names":["socket"],"args":[{"index":0,"op":"SCMP_CMP_NE","value":1}]`,
			map[string]string{"unix-socket": "0", "unix-socket-high": "0", "af_alg": "99", "netlink-socket": "99", "af_vsock-high": "99"},
		},
		{
			"from on", `"names":["socket"],"args":[{"index":0,"op":"SCMP_CMP_GE","value":38}]`,
			map[string]string{"netlink-socket": "0", "unix-socket-high": "0", "af_alg": "99", "af_alg-high": "99", "unknown-socket": "99"},
		},
		{
			"up to", `"names":["socket"],"args":[{"index":0,"op":"SCMP_CMP_LE","value":16}]`,
			map[string]string{"netlink-socket": "99", "unix-socket-high": "99", "unknown-socket": eafnosupport},
		},
		{
			"under a mask", `"names":["socket"],"args":[{"index":0,"op":"SCMP_CMP_MASKED_EQ","value":18446744073709551615,"valueTwo":40}]`,
			map[string]string{"af_vsock": "99", "af_vsock-high": "99", "unix-socket-high": "0"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "profile.json")
			text := `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ERRNO","errnoRet":99,` + c.rule + `}]}`
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := probe(t, compile(t, file, nil, seccomp.Options{}), exe)
			if err != nil {
				t.Fatal(err)
			}
			check(t, got, c.want)
		})
	}
}

func TestMissingProfile(t *testing.T) {
	_, err := seccomp.Compile(context.Background(), "/nonexistent/profile.json", nil, seccomp.Options{Dir: t.TempDir()})
	if !errors.Is(err, errdefs.ErrInvalid) {
		t.Fatalf("error is %v, want an invalid argument", err)
	}
}

func BenchmarkCompileCached(b *testing.B) {
	opts := seccomp.Options{Dir: b.TempDir()}
	for b.Loop() {
		if _, err := seccomp.Compile(context.Background(), "", defaultCaps, opts); err != nil {
			b.Fatal(err)
		}
	}
}
