package spec_test

import (
	"encoding/json"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const allCaps = 1<<41 - 1 // up to CAP_CHECKPOINT_RESTORE, Linux 5.9

// The hosts that the golden files are made for.
func rootlessV2() host.Facts {
	return host.Facts{
		Rootless: true, UserNamespace: true, UIDs: 65537, GIDs: 65537, Kernel: "6.12.5-amd64", Capabilities: allCaps, UnprivilegedPort: 1024,
		Cgroup: host.Cgroup{
			Version: host.CgroupV2, Parent: "/user.slice/user-1000.slice/user@1000.service/moss",
			Controllers: []string{"cpu", "memory", "pids"}, Swap: true,
		},
	}
}

func rootlessV1() host.Facts {
	f := rootlessV2()
	f.Cgroup = host.Cgroup{Version: host.CgroupHybrid, Why: "cgroup version 1 cannot be delegated to users"}
	return f
}

func singleID() host.Facts {
	f := rootlessV1()
	f.UIDs, f.GIDs = 1, 1
	return f
}

func rootful() host.Facts {
	return host.Facts{
		UIDs: 1<<32 - 1, GIDs: 1<<32 - 1, Kernel: "6.12.5-amd64", Capabilities: allCaps, UnprivilegedPort: 1024,
		Cgroup: host.Cgroup{Version: host.CgroupV1, Parent: "/moss", Controllers: []string{"blkio", "cpu", "devices", "memory", "pids"}},
	}
}

func devices(path string) ([]host.Device, error) {
	all := map[string]host.Device{
		"/dev/fuse": {Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: 0o666},
		"/dev/sda":  {Path: "/dev/sda", Type: "b", Major: 8, Minor: 0, Mode: 0o660, GID: 6},
	}
	if path == "/dev" {
		return []host.Device{all["/dev/fuse"], all["/dev/sda"]}, nil
	}
	if d, ok := all[path]; ok {
		return []host.Device{d}, nil
	}
	return nil, fs.ErrNotExist
}

func inputs() spec.Inputs {
	return spec.Inputs{
		Rootfs:  "/run/rootfs",
		HostEnv: []string{"HOME=/root", "http_proxy=http://proxy:3128", "SECRET=1"},
		Volumes: map[string]spec.VolumeSource{"data": {Dir: "/volumes/data"}, "memory": {Memory: true, Options: []string{"size=1048576"}}},
		Files:   map[string]string{"/etc/hosts": "/run/c/hosts", "/etc/resolv.conf": "/run/c/resolv.conf", "/run/.containerenv": "/run/c/containerenv"},
		Devices: devices, MostRlimits: map[string]uint64{"nofile": 2048},
	}
}

// parse makes a container as the command line does.
func parse(t *testing.T, args ...string) *spec.Container {
	t.Helper()
	c, err := tryParse(args...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryParse(args ...string) (*spec.Container, error) {
	c := &spec.Container{ID: strings.Repeat("0123456789abcdef", 4)}
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	c.AddFlags(fs)
	c.AddRareFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	c.Command = fs.Args()
	return c, c.Validate()
}

func TestOCI(t *testing.T) {
	for _, g := range []struct {
		name  string
		facts host.Facts
		args  string
	}{
		{"plain", rootlessV2(), "sh"},
		{"plain-rootful", rootful(), "sh"},
		{"plain-no-cgroup", rootlessV1(), "sh"},
		{"single-id", singleID(), "-t sh"},
		{"privileged-rootless", rootlessV2(), "--privileged sh"},
		{"privileged-rootful", rootful(), "--privileged sh"},
		{"limits", rootlessV2(), "--memory 512m --cpus 1.5 --pids-limit 100 --oom-score-adj 500 --ulimit nofile=1024:4096 --ulimit core=0 sh"},
		{"processors", rootlessV2(), "--cpu-shares 512 --cpu-period 50000 --cpu-quota 25000 --cpuset-cpus 0-1,3 --cpuset-mems 0 --cgroup-parent ../batch sh"},
		{"rare-limits", rootlessV2(), "--memory-reservation 32m --oom-kill-disable --memory-swappiness 10 --cpu-rt-runtime 1000 --blkio-weight 100 --cgroup-conf memory.high=1000 --domainname nis sh"},
		{"rare-limits-rootful", rootful(), "--memory-reservation 32m --oom-kill-disable --memory-swappiness 10 --cpu-rt-period 2000 --cpu-rt-runtime 1000 --blkio-weight 100 --blkio-weight-device /dev/sda:50 --device-read-bps /dev/sda:1m --device-write-iops /dev/sda:9 --cgroup-conf memory.high=1000 sh"},
		{"limits-no-cgroup", rootlessV1(), "--memory 512m --cpus 1.5 --pids-limit 100 --oom-score-adj -500 sh"},
		{"host-namespaces", rootlessV2(), "--network host --pid host --ipc host --uts host --cgroupns host -p 80:80 sh"},
		{"host-namespaces-rootful", rootful(), "--network host --pid host --ipc host --uts host sh"},
		{"read-only", rootlessV2(), "--read-only sh"},
		{"mounts", rootlessV2(), "-v /srv:/srv/deep/er:ro,rslave -v data:/srv --tmpfs /tmp:size=1m,noexec --mount type=bind,src=/a,dst=/b,bind-propagation=shared -v /my/hosts:/etc/hosts --shm-size 1g --device /dev/fuse:/dev/other:r sh"},
		{"mount-fields", rootlessV2(), "--mount type=volume,src=data,dst=/a,volume-subpath=b//c,volume-nocopy,volume-label=x=y,volume-opt=o=uid=5 --mount type=bind,src=/a,dst=/b,ro,bind-recursive=readonly,relabel=shared --mount type=bind,src=/a,dst=/c,bind-recursive=disabled,noexec --mount type=tmpfs,dst=/d,notmpcopyup,nosuid=false -v memory:/e:ro sh"},
		{"security", rootlessV2(), "--cap-drop all --cap-add net_raw --user 1000:1000 --security-opt no-new-privileges --security-opt unmask=/proc/* --security-opt mask=/proc/cpuinfo --sysctl net.core.somaxconn=10 -h web sh"},
		{"unconfined-paths", rootlessV2(), "--security-opt systempaths=unconfined --group-add keep-groups --ulimit host sh"},
		{"process", rootlessV2(), "-e A=1 -e PATH=/bin -w /srv//x --entrypoint /bin/echo --http-proxy=false --annotation a=b hello world"},
	} {
		t.Run(g.name, func(t *testing.T) {
			oci, warnings, err := parse(t, strings.Fields(g.args)...).OCI(g.facts, inputs())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, g.name, struct {
				Warnings []string    `json:"warnings,omitempty"`
				Spec     *specs.Spec `json:"spec"`
			}{warnings, oci})
		})
	}
}

func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("%s differs (rewrite it with -update):\n%s", file, diff)
	}
}

func TestJoiningAStoppedContainer(t *testing.T) {
	c := parse(t, "--pid", "container:other", "sh")
	_, _, err := c.OCI(rootlessV2(), inputs())
	if err == nil || !strings.Contains(err.Error(), "container other: it does not run") {
		t.Fatalf("error is %v", err)
	}
	in := inputs()
	in.Namespaces = map[specs.LinuxNamespaceType]string{specs.PIDNamespace: "/proc/7/ns/pid"}
	oci, _, err := c.OCI(rootlessV2(), in)
	if err != nil || oci.Linux.Namespaces[1] != (specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "/proc/7/ns/pid"}) {
		t.Fatalf("namespaces are %v (%v)", oci, err)
	}
}

func TestNothingToRun(t *testing.T) {
	if _, _, err := parse(t).OCI(rootlessV2(), inputs()); err == nil || !strings.Contains(err.Error(), "names no command") {
		t.Fatalf("error is %v", err)
	}
}

func TestDescriptionSurvivesTheDisk(t *testing.T) {
	c := parse(t, "--name", "x", "-p", "127.0.0.1:8080:80/udp", "-v", "data:/data", "-u", "me", "--restart", "on-failure:3", "--stop-timeout", "0",
		"--http-proxy=false", "--read-only-tmpfs=false", "--ulimit", "nofile=1", "--ipc", "host", "-e", "A=b", "--log-opt", "max-size=10m", "--network", "back:ip=10.89.0.7,ip6=fd00::7,mac=02-00-00-00-00-01,alias=db,interface_name=in0", "sh")
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back spec.Container
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, &back, cmpopts.EquateComparable(netip.Addr{}), cmpopts.IgnoreUnexported(spec.Container{})); diff != "" {
		t.Error(diff)
	}
}
