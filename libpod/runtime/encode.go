package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Package json prepares, when it meets a type for the first time, for every type that a value of it could hold. For an OCI
// configuration, with those of five other operating systems in it, that takes longer than to start a program. So bundles are
// written and, by our own launcher, read by code that is generated (make generate), for types in which the parts that are large and seldom
// there are hidden behind fields of the same name. The text is that of a Bundle.

// ownBundle is a Bundle for our own launcher.
//
//easyjson:json
type ownBundle struct {
	*Bundle
	Spec *ownSpec `json:"spec"`
}

type ownSpec struct {
	*specs.Spec
	Linux   *ownLinux       `json:"linux,omitempty"`
	Hooks   json.RawMessage `json:"hooks,omitempty"`
	Solaris *struct{}       `json:"solaris,omitempty"`
	Windows *struct{}       `json:"windows,omitempty"`
	VM      *struct{}       `json:"vm,omitempty"`
	ZOS     *struct{}       `json:"zos,omitempty"`
	FreeBSD *struct{}       `json:"freebsd,omitempty"`
}

type ownLinux struct {
	*specs.Linux
	Resources    json.RawMessage `json:"resources,omitempty"`
	Seccomp      json.RawMessage `json:"seccomp,omitempty"`
	NetDevices   json.RawMessage `json:"netDevices,omitempty"`
	IntelRdt     json.RawMessage `json:"intelRdt,omitempty"`
	MemoryPolicy json.RawMessage `json:"memoryPolicy,omitempty"`
}

// prepareDecoding has package json prepare for values of v's type, which it does for good at the first one: for whoever has nothing
// else to do until one comes.
func prepareDecoding(v any) {
	_ = json.Unmarshal([]byte("{}"), v) // an object that is empty is right for any type
}

// Encode writes the bundle as JSON.
func (b *Bundle) Encode() (Encoded, error) {
	own := ownBundle{Bundle: b, Spec: &ownSpec{Spec: b.Spec}}
	parts := map[*json.RawMessage]any{}
	if s := b.Spec; s.Hooks != nil {
		parts[&own.Spec.Hooks] = s.Hooks
	}
	if l := b.Spec.Linux; l != nil {
		o := &ownLinux{Linux: l}
		own.Spec.Linux = o
		if l.Resources != nil && !reflect.ValueOf(*l.Resources).IsZero() {
			parts[&o.Resources] = l.Resources
		}
		if l.Seccomp != nil {
			parts[&o.Seccomp] = l.Seccomp
		}
		if l.NetDevices != nil {
			parts[&o.NetDevices] = l.NetDevices
		}
		if l.IntelRdt != nil {
			parts[&o.IntelRdt] = l.IntelRdt
		}
		if l.MemoryPolicy != nil {
			parts[&o.MemoryPolicy] = l.MemoryPolicy
		}
	}
	var err error
	for raw, part := range parts {
		if *raw, err = json.Marshal(part); err != nil {
			return nil, fmt.Errorf("cannot encode the configuration of container %s: %w", b.ID, err)
		}
	}
	data, err := own.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("cannot encode the configuration of container %s: %w", b.ID, err)
	}
	return data, nil
}

// Decode reads all of a bundle.
func (e Encoded) Decode() (*Bundle, error) {
	b := &Bundle{}
	if err := json.Unmarshal(e, b); err != nil {
		return nil, fmt.Errorf("cannot read the container's configuration: %w", err)
	}
	return b, nil
}

// decodeOwn reads what our own launcher needs of a bundle.
func (e Encoded) decodeOwn() (*Bundle, error) {
	own := ownBundle{Bundle: &Bundle{}}
	if err := own.UnmarshalJSON(e); err != nil {
		return nil, fmt.Errorf("cannot read the container's configuration: %w", err)
	}
	b := own.Bundle
	if own.Spec != nil {
		b.Spec = own.Spec.Spec
		if own.Spec.Linux != nil && b.Spec != nil {
			b.Spec.Linux = own.Spec.Linux.Linux
		}
	}
	return b, nil
}

// Task reads from a bundle what the container's first process was to do.
func (e Encoded) Task() (*Task, error) {
	var b struct {
		Spec struct {
			Process *specs.Process `json:"process"`
		} `json:"spec"`
		Seccomp string   `json:"seccomp"`
		User    string   `json:"user"`
		Groups  []string `json:"groups"`
	}
	err := json.Unmarshal(e, &b)
	if err == nil && b.Spec.Process == nil {
		err = errors.New("it has no process")
	}
	return &Task{Process: b.Spec.Process, Seccomp: b.Seccomp, User: b.User, Groups: b.Groups}, err
}

// Cgroup is the container's cgroup as the OCI configuration names it, "" for none.
func (e Encoded) Cgroup() (string, error) {
	var o outline
	err := o.UnmarshalJSON(e)
	return o.Spec.Linux.CgroupsPath, err
}

// outline is what the parent of a stage needs to know of a bundle.
//
//easyjson:json
type outline struct {
	ID     string `json:"id"`
	RunDir string `json:"runDir"`
	Spec   struct {
		Process struct {
			Capabilities struct {
				Bounding []string `json:"bounding"`
			} `json:"capabilities"`
			OOMScoreAdj *int `json:"oomScoreAdj"`
		} `json:"process"`
		Linux struct {
			Namespaces  []specs.LinuxNamespace `json:"namespaces"`
			CgroupsPath string                 `json:"cgroupsPath"`
			Resources   json.RawMessage        `json:"resources"`
		} `json:"linux"`
	} `json:"spec"`
}

// resources are the container's limits, nil without.
func (o *outline) resources() (*specs.LinuxResources, error) {
	if o.Spec.Linux.Resources == nil {
		return nil, nil
	}
	r := &specs.LinuxResources{}
	return r, json.Unmarshal(o.Spec.Linux.Resources, r)
}
