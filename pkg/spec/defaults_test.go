package spec_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mosscontainers/moss/pkg/spec"
)

// usual are settings as containers.conf could have them.
var usual = []spec.Setting{
	{Name: "default_sysctls", Flag: "sysctl", Values: []string{"net.core.somaxconn=1", "kernel.msgmax=2"}},
	{Name: "default_ulimits", Flag: "ulimit", Values: []string{"nofile=1:2", "core=3"}},
	{Name: "devices", Flag: "device", Values: []string{"/dev/a:/dev/x", "/dev/b"}},
	{Name: "env", Flag: "env", Values: []string{"A=usual", "B=usual"}},
	{Name: "init", Flag: "init", Values: []string{"true"}},
	{Name: "log_driver", Flag: "log-driver", Values: []string{"journald"}},
	{Name: "pids_limit", Flag: "pids-limit", Values: []string{"0"}},
	{Name: "seccomp_profile", Flag: "security-opt", Values: []string{"seccomp=/usual.json"}},
	{Name: "volumes", Flag: "volume", Values: []string{"/usual:/x", "/usual:/y"}},
}

func TestFlagsWinOverUsualSettings(t *testing.T) {
	c := parse(t, "--sysctl", "kernel.msgmax=20", "--ulimit", "core=30", "--device", "/dev/mine:/dev/x", "-e", "A=mine", "--init=false",
		"--log-driver", "none", "--security-opt", "seccomp=builtin", "-v", "/mine:/y", "--network", "host", "sh")
	d, err := spec.ReadDefaults(usual, c.Given)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(d); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	var mounts, devices []string
	for _, m := range c.Mounts.List {
		mounts = append(mounts, m.Source+":"+m.Target)
	}
	for _, d := range c.Devices {
		devices = append(devices, d.Host+":"+d.Container)
	}
	env := c.Variables("")
	for _, diff := range []string{
		cmp.Diff(map[string]string{"kernel.msgmax": "20"}, c.Sysctls), // net.* would be the host's
		cmp.Diff(map[string]spec.Rlimit{"nofile": {Soft: 1, Hard: 2}, "core": {Soft: 30, Hard: 30}}, c.Rlimits),
		cmp.Diff([]string{"/dev/mine:/dev/x", "/dev/b:/dev/b"}, devices),
		cmp.Diff([]string{"A=mine", "B=usual"}, env[len(env)-2:]),
		cmp.Diff([]string{"/mine:/y", "/usual:/x"}, mounts),
		cmp.Diff([]string{"none", ""}, []string{c.LogDriver, c.Seccomp}),
		cmp.Diff([]int64{0, -1}, []int64{c.PidsLimit, c.UsualPids}),
	} {
		if diff != "" {
			t.Error(diff)
		}
	}
	if c.Init || slices.Contains(c.Env, "B=usual") {
		t.Errorf("init is %v, and the container's own environment %q", c.Init, c.Env)
	}
}

func TestAUsualSettingThatIsWrongIsNamed(t *testing.T) {
	_, err := spec.ReadDefaults(usual, parse(t, "sh").Given)
	if err == nil || !strings.HasPrefix(err.Error(), `log_driver: invalid --log-driver "journald"`) {
		t.Error(err)
	}
}

func TestUsualCapabilities(t *testing.T) {
	var c spec.Security
	if err := c.SetCaps([]string{"BUILTIN", "sys_ptrace", "KILL"}, "BUILTIN"); err != nil {
		t.Fatal(err)
	}
	c.CapDrop, c.CapAdd = []string{"CAP_CHOWN"}, []string{"CAP_NET_RAW"}
	got, err := c.Capabilities(rootful())
	want := []string{
		"CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID",
		"CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := c.SetCaps(nil, "BUILTIN"); err != nil || c.Caps == nil || len(c.Caps) > 0 {
		t.Errorf("none are %#v, %v", c.Caps, err)
	}
}

func BenchmarkReadDefaults(b *testing.B) {
	for b.Loop() {
		if _, err := spec.ReadDefaults(usual[:1], func(string) bool { return false }); err != nil {
			b.Fatal(err)
		}
	}
}
