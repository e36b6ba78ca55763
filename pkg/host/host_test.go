package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestMappedIDs(t *testing.T) {
	for _, c := range []struct {
		text string
		want uint32
	}{
		{"         0          0 4294967295\n", 1<<32 - 1},
		{"0 1001 1\n1 165536 65536\n", 65537},
		{"0 1001 1\n", 1},
		{"0 1001 1\n1 165536 1000\n2000 300000 65536\n", 1001},
		{"1 165536 65536\n0 1001 1\n", 65537},
		{"", 0},
		{"nonsense\n", 0},
	} {
		if got := mapped([]byte(c.text)); got != c.want {
			t.Errorf("%q maps %d ids, want %d", c.text, got, c.want)
		}
	}
}

func TestKernelAtLeast(t *testing.T) {
	f := Facts{Kernel: "6.12.5-amd64"}
	for _, c := range []struct {
		major, minor int
		want         bool
	}{{5, 19, true}, {6, 12, true}, {6, 13, false}, {7, 0, false}} {
		if got := f.KernelAtLeast(c.major, c.minor); got != c.want {
			t.Errorf("6.12.5 at least %d.%d: %v", c.major, c.minor, got)
		}
	}
	if (Facts{Kernel: "unreadable"}).KernelAtLeast(1, 0) {
		t.Error("an unreadable version is taken for a new one")
	}
}

// tree writes files below a new directory and gives its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCgroupV2AsRoot(t *testing.T) {
	root := tree(t, map[string]string{
		"cgroup.controllers": "cpu memory pids\n", "cgroup.procs": "1\n", "cgroup.subtree_control": "memory\n", "a/cgroup.procs": "2\n",
		"a/memory.swap.max": "max\n", "self": "0::/a\n",
	})
	c := probeCgroup(root, filepath.Join(root, "self"), 0)
	if c.Version != CgroupV2 || c.Parent != "/moss" || !c.Has("cpu") || !c.Swap {
		t.Errorf("got %+v", c)
	}
}

func TestCgroupV2Delegated(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everything: what is delegated shows only where a cgroup has no cgroup.procs")
	}
	root := tree(t, map[string]string{
		"cgroup.controllers": "cpu memory pids io\n",
		"user.slice/user-1000.slice/user@1000.service/cgroup.procs":           "",
		"user.slice/user-1000.slice/user@1000.service/cgroup.controllers":     "cpu memory pids\n",
		"user.slice/user-1000.slice/user@1000.service/app.slice/cgroup.procs": "7\n",
		"self": "0::/user.slice/user-1000.slice/user@1000.service/app.slice\n",
	})
	c := probeCgroup(root, filepath.Join(root, "self"), 1000)
	if c.Parent != "/user.slice/user-1000.slice/user@1000.service/moss" || !slices.Equal(c.Controllers, []string{"cpu", "memory", "pids"}) {
		t.Errorf("got %+v", c)
	}
}

func TestCgroupV2InTheUsersScope(t *testing.T) {
	const manager = "user.slice/user-1000.slice/user@1000.service/"
	for self, outside := range map[string]bool{"/" + manager + "app.slice/mail.service": false, "/user.slice/user-1000.slice/session-1.scope": true} {
		root := tree(t, map[string]string{
			"cgroup.controllers":                                    "cpu memory pids io\n",
			manager + "app.slice/moss.scope/cgroup.procs":           "",
			manager + "app.slice/moss.scope/cgroup.controllers":     "memory pids\n",
			manager + "app.slice/moss.scope/engine/memory.swap.max": "max\n",
			"self": "0::" + self + "\n",
		})
		c := probeCgroup(root, filepath.Join(root, "self"), 1000)
		if c.Parent != "/"+manager+"app.slice/moss.scope" || c.Outside != outside || !slices.Equal(c.Controllers, []string{"memory", "pids"}) || !c.Swap {
			t.Errorf("from %s: %+v", self, c)
		}
	}
}

func TestCgroupV2NotDelegated(t *testing.T) {
	root := tree(t, map[string]string{"cgroup.controllers": "cpu\n", "self": "0::/user.slice/session-1.scope\n"})
	c := probeCgroup(root, filepath.Join(root, "self"), 1000)
	if c.Parent != "" || !strings.Contains(c.Why, "/user.slice/session-1.scope is not delegated") || c.Has("cpu") {
		t.Errorf("got %+v", c)
	}
}

func TestCgroupV1(t *testing.T) {
	root := tree(t, map[string]string{"memory/memory.memsw.limit_in_bytes": "", "pids/tasks": "", "unified/cgroup.controllers": ""})
	if c := probeCgroup(root, "", 1000); c.Version != CgroupHybrid || c.Parent != "" || c.Why == "" {
		t.Errorf("for a user: %+v", c)
	}
	if c := probeCgroup(root, "", 0); c.Parent != "/moss" || !slices.Equal(c.Controllers, []string{"memory", "pids"}) || !c.Swap {
		t.Errorf("for root: %+v", c)
	}
}

func TestNoCgroups(t *testing.T) {
	if c := probeCgroup(t.TempDir(), "", 0); c.Version != CgroupNone || c.Why == "" {
		t.Errorf("got %+v", c)
	}
}

func TestProbeThisHost(t *testing.T) {
	f, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	if f.Kernel == "" || f.Capabilities == 0 && os.Geteuid() == 0 || f.UIDs == 0 || f.Rootless != (os.Geteuid() != 0) {
		t.Errorf("got %+v", f)
	}
	if !f.Cgroup.Has("memory") && f.Cgroup.Parent == "" && f.Cgroup.Why == "" {
		t.Errorf("no cgroup, and no reason: %+v", f.Cgroup)
	}
}

// In a user namespace made for one id this process is root, and yet is not.
func TestProbeInUserNamespace(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestSeenFromInside$")
	cmd.Env = append(os.Environ(), "MOSS_TEST_INSIDE=1", rootlessEnv+"=1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestSeenFromInside(t *testing.T) {
	if os.Getenv("MOSS_TEST_INSIDE") == "" {
		t.Skip("run by TestProbeInUserNamespace")
	}
	f, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	if !f.Rootless || !f.UserNamespace || !f.SingleID() || !f.OverlayUserXattr() || f.Capabilities == 0 {
		t.Errorf("got %+v", f)
	}
}

func TestDevices(t *testing.T) {
	one, err := Devices("/dev/null")
	if err != nil || len(one) != 1 || one[0].Type != "c" || one[0].Major != 1 || one[0].Minor != 3 {
		t.Errorf("/dev/null is %+v (%v)", one, err)
	}
	all, err := Devices("/dev")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if strings.HasPrefix(d.Path, "/dev/pts/") || d.Path == "/dev/console" {
			t.Errorf("%s is every container's own", d.Path)
		}
	}
	if _, err := Devices("/etc/passwd"); err == nil {
		t.Error("/etc/passwd is a device")
	}
	if _, err := Devices("/nonexistent"); !os.IsNotExist(err) {
		t.Errorf("error is %v", err)
	}
}

func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		if _, err := Probe(); err != nil {
			b.Fatal(err)
		}
	}
}
