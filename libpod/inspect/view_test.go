package inspect_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mosscontainers/moss/libpod/inspect"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

const id = "731f2635a7f70ecac500d94b0fad5dad3765c88115bf5f3a6c1e9c54d7dc5f99"

func running() *state.Container {
	three := uint(3)
	return &state.Container{
		Dir: "/store/moss/containers/" + id,
		Spec: &spec.Container{
			ID: id, Name: "quiet_fern", Created: time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC),
			Image: spec.Image{Name: "docker.io/library/nginx:latest", ID: strings.Repeat("a", 64)},
			Process: spec.Process{
				Entrypoint: []string{"/entry", "-x"}, Command: []string{"nginx"}, Env: []string{"A=b"}, Terminal: true,
				Rlimits: map[string]spec.Rlimit{"nproc": {Soft: 1, Hard: -1}, "nofile": {Soft: 10, Hard: 20}},
			},
			Identity:   spec.Identity{User: "www"},
			Namespaces: spec.Namespaces{PID: "host"},
			Mounts: spec.Mounts{
				List: []spec.Mount{
					{Type: spec.MountVolume, Source: "vol1", Target: "/v", ReadOnly: true, Optional: true},
					{Type: spec.MountBind, Source: "/tmp", Target: "/t", Options: []string{"rslave", "exec"}},
					{Type: spec.MountTmpfs, Target: "/x", Options: []string{"size=1m"}},
				},
				Devices: []spec.Device{{Host: "/dev/fuse", Container: "/dev/fuse", Access: "rwm"}},
			},
			Resources: spec.Resources{
				Memory: 1 << 20, MemorySwap: 1 << 21, CPUs: 1.5, PidsLimit: 10, CgroupParent: "few",
				CPU: spec.CPU{Shares: 512, Period: 50000, Quota: 10000, Cpus: "0-1", Mems: "0"},
			},
			Security: spec.Security{CapAdd: []string{"CAP_NET_ADMIN"}, NoNewPrivileges: true, Seccomp: "unconfined", AppArmor: "mine", Mask: []string{"/proc/cpuinfo"}, Unmask: []string{"/proc/acpi"}},
			Network: spec.Network{Mode: spec.NetworkBridge, Networks: []spec.Connection{{Name: "podman"}, {Name: "back", Aliases: []string{"db"}, GatewayPriority: 5}}, Expose: []string{"80/tcp", "443/tcp"}, Ports: []spec.PortMapping{
				{ContainerPort: 80, Protocol: "tcp"},
				{HostIP: "127.0.0.1", HostPort: 9000, ContainerPort: 90, Protocol: "udp"},
			}},
			Lifecycle: spec.Lifecycle{StopSignal: "SIGQUIT", StopTimeout: &three, Restart: spec.Restart{Policy: "on-failure", Retries: 3}},
			Metadata:  spec.Metadata{Labels: map[string]string{"k": "v"}, CreateCommand: []string{"moss", "run", "nginx"}},
		},
		State: state.Record{
			Status: state.Running, Init: sys.Process{Pid: 4711},
			StartedAt: time.Date(2026, 1, 31, 15, 4, 6, 0, time.UTC), RestartCount: 1,
			Network: state.Network{
				Endpoints: []spec.Endpoint{
					{
						Network: "podman", Interface: "eth0", MAC: "02:00:00:00:00:01",
						Address: netip.MustParsePrefix("10.88.0.100/16"), Gateway: netip.MustParseAddr("10.88.0.1"),
					},
					{
						Network: "back", Interface: "eth1", MAC: "02:00:00:00:00:02", Aliases: []string{"db"},
						Address: netip.MustParsePrefix("10.89.0.7/24"), Gateway: netip.MustParseAddr("10.89.0.1"),
						Address6: netip.MustParsePrefix("fd00::7/64"), Gateway6: netip.MustParseAddr("fd00::1"),
					},
				},
				Ports: []spec.PortMapping{{HostPort: 40123, ContainerPort: 80, Protocol: "tcp"}},
			},
		},
	}
}

func facts() inspect.Facts {
	return inspect.Facts{
		Capabilities: []string{"CAP_CHOWN"}, LogPath: "/store/log", Hostname: "731f2635a7f7",
		Layers:     map[string]string{"UpperDir": "/store/diff"},
		VolumePath: func(name string) string { return "/volumes/" + name + "/_data" },
	}
}

// TestDocuments compares whole documents with testdata/*.json; with UPDATE=1 in the environment it writes them.
func TestDocuments(t *testing.T) {
	bare := &state.Container{Spec: &spec.Container{ID: id}, State: state.Record{Status: state.Created}}
	for name, c := range map[string]*state.Container{"running": running(), "bare": bare} {
		t.Run(name, func(t *testing.T) {
			f := inspect.Facts{}
			if name == "running" {
				f = facts()
			}
			got, err := json.MarshalIndent(inspect.Container(c, f), "", "    ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestShapeIsPodmans holds the shape against a document that podman 4.3.1 printed: what both have
// must be of the same kind.
func TestShapeIsPodmans(t *testing.T) {
	raw, err := os.ReadFile("testdata/podman-4.3.1.json")
	if err != nil {
		t.Fatal(err)
	}
	var podman []map[string]any
	if err := json.Unmarshal(raw, &podman); err != nil {
		t.Fatal(err)
	}
	raw, err = json.Marshal(inspect.Container(running(), facts()))
	if err != nil {
		t.Fatal(err)
	}
	var ours map[string]any
	if err := json.Unmarshal(raw, &ours); err != nil {
		t.Fatal(err)
	}
	compareShape(t, "", podman[0], ours)
}

// differs are the fields where podman 5 and docker agree against podman 4.
var differs = map[string]bool{".Config.Entrypoint": true, ".Config.StopSignal": true}

func compareShape(t *testing.T, path string, podman, ours any) {
	theirs, ok := podman.(map[string]any)
	if !ok {
		if podman != nil && ours != nil && !differs[path] && kind(podman) != kind(ours) {
			t.Errorf("%s is %s in podman, %s here", path, kind(podman), kind(ours))
		}
		return
	}
	mine, ok := ours.(map[string]any)
	if !ok {
		t.Errorf("%s is an object in podman, %s here", path, kind(ours))
		return
	}
	for key, value := range mine {
		if other, ok := theirs[key]; ok {
			compareShape(t, path+"."+key, other, value)
		}
	}
}

func kind(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "a truth"
	case []any:
		return "a list"
	case nil:
		return "null"
	}
	return "an object"
}
