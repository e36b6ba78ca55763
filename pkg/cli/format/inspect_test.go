package format_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/mosscontainers/moss/libpod/inspect"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

func TestInspect(t *testing.T) {
	type status struct{ Running bool }
	type thing struct {
		ID     string `json:"Id"`
		State  *status
		Mounts []box
	}
	objects := []any{&thing{ID: "1", State: &status{true}, Mounts: []box{{Name: "m"}}}, &thing{ID: "2"}}
	tests := []struct{ format, want, err string }{
		{"{{.Id}} {{.ID}} {{$.Id}}", "1 1 1\n2 2 2\n", ""},
		{"{{with .State}}{{.Running}}{{end}}", "true\n\n", ""},
		{"{{range .Mounts}}{{.Name}}{{end}}", "m\n\n", ""},
		{"{{range .Mounts}}{{.Id}}{{.Name}}{{end}}", "m\n\n", ""},
		{"{{range .Mounts}}{{.Nope}}{{end}}", "", `cannot apply the template: --format:1:19: executing "--format" at <.Nope>: can't evaluate field Nope in type format_test.box`},
		{`{{json .Mounts}}`, `[{"Id":"","Name":"m"}]` + "\nnull\n", ""},
		{"{{.Nope}}", "", "cannot use .Nope in --format: the fields are .ID, .State, .Mounts"},
		{"{{.State.Nope}}", "", "cannot use .State.Nope in --format: the fields are .State.Running"},
		{"{{.State.Running}}", "", "cannot use .State.Running in --format: there is nothing that has it here; {{if}} asks whether there is"},
		{"{{", "", "cannot parse the template: --format:1: unclosed action"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		err := format.Inspect(&out, objects, tt.format)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %v, want %q", tt.format, err, tt.err)
		}
		if err == nil && out.String() != tt.want {
			t.Errorf("%s: %q, want %q", tt.format, out.String(), tt.want)
		}
	}
	var out bytes.Buffer
	if err := format.Inspect(&out, nil, ""); err != nil || strings.TrimSpace(out.String()) != "[]" {
		t.Errorf("nothing: %q %v", out.String(), err)
	}
}

// TestInspectContainer asks what scripts for docker and podman ask most.
func TestInspectContainer(t *testing.T) {
	id := strings.Repeat("7f", 32)
	web := spec.PortMapping{HostPort: 40123, ContainerPort: 80, Protocol: "tcp"}
	document := inspect.Container(&state.Container{
		Spec: &spec.Container{
			ID:      id,
			Image:   spec.Image{Name: "localhost/web:latest"},
			Process: spec.Process{Command: []string{"serve"}, Env: []string{"A=b"}},
			Mounts: spec.Mounts{List: []spec.Mount{
				{Type: spec.MountVolume, Source: "vol1", Target: "/v"},
				{Type: spec.MountBind, Source: "/tmp", Target: "/t"},
			}},
			Network:   spec.Network{Mode: "bridge", Networks: []spec.Connection{{Name: "podman"}}},
			Lifecycle: spec.Lifecycle{Restart: spec.Restart{Policy: "on-failure"}},
			Metadata:  spec.Metadata{Labels: map[string]string{"k": "v"}},
		},
		State: state.Record{
			Status: state.Running, Init: sys.Process{Pid: 4711}, RestartCount: 1,
			Network: state.Network{
				Endpoints: []spec.Endpoint{{Network: "podman", Address: netip.MustParsePrefix("10.88.0.100/16")}}, Ports: []spec.PortMapping{web},
			},
		},
	}, inspect.Facts{VolumePath: func(name string) string { return "/volumes/" + name }})

	tests := []struct{ format, want string }{
		{"{{.Id}} {{.ID}}", id + " " + id},
		{"{{.State.Status}} {{.State.Running}} {{.State.Pid}} {{.State.ExitCode}}", "running true 4711 0"},
		{"{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"},
		{"{{.Config.Image}} {{.ImageName}}", "localhost/web:latest localhost/web:latest"},
		{"{{.NetworkSettings.IPAddress}}", "10.88.0.100"},
		{"{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.88.0.100"},
		{`{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}`, "40123"},
		{`{{range $p, $b := .NetworkSettings.Ports}}{{$p}}={{(index $b 0).HostPort}}{{end}}`, "80/tcp=40123"},
		{`{{range $p, $b := .NetworkSettings.Ports}}{{range $b}}{{.HostIp}}:{{.HostPort}}{{end}}{{end}}`, "0.0.0.0:40123"},
		{`{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostIp}}`, "0.0.0.0"},
		{`{{index .Config.Labels "k"}}`, "v"},
		{`{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}`, "/volumes/vol1:/v /tmp:/t "},
		{`{{range .Config.Env}}{{println .}}{{end}}`, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\ncontainer=moss\nA=b\n"},
		{`{{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}`, "on-failure 1"},
		{`{{json .HostConfig.Dns}} {{join .Config.Cmd ","}}`, "[] serve"},
		{`{{.Created.Format "2006"}}`, "0001"},
		{`{{.Created}} {{with .State}}{{.StartedAt}}{{end}}`, "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z"},
	}
	for _, tt := range tests {
		var got bytes.Buffer
		if err := format.Inspect(&got, []any{document}, tt.format); err != nil || got.String() != tt.want+"\n" {
			t.Errorf("%s: %q, %v, want %q", tt.format, got.String(), err, tt.want)
		}
	}
}
