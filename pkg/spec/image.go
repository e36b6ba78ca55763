package spec

import (
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// ImageConfig is the "config" member of an image's configuration: that of the OCI image specification (v1.ImageConfig
// of image-spec, whose package takes longer to initialise than a command may) and what Docker's images have beside it.
type ImageConfig struct {
	User         string              `json:"User,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"` // "80/tcp"
	Env          []string            `json:"Env,omitempty"`          // "KEY=VALUE"
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	Volumes      map[string]struct{} `json:"Volumes,omitempty"` // paths
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	Labels       map[string]string   `json:"Labels,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
	ArgsEscaped  bool                `json:"ArgsEscaped,omitempty"` // of Windows
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`
	OnBuild      []string            `json:"OnBuild,omitempty"`
	Shell        []string            `json:"Shell,omitempty"`
}

// Healthcheck is Docker's HEALTHCHECK. Durations are in nanoseconds; 0 means the default.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"` // {"NONE"}, {"CMD", arg…} or {"CMD-SHELL", line}
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// ApplyImage fills what the user left open from the image's configuration, as Docker and Podman do. It is
// called once, when the container is created; Validate comes after it, because an image can be wrong too.
func (c *Container) ApplyImage(img *ImageConfig) {
	if c.Entrypoint == nil {
		c.Entrypoint = img.Entrypoint
		if len(c.Command) == 0 {
			c.Command = img.Cmd // an entrypoint of the user's own drops the image's command
		}
	}
	c.Env = MergeEnv(c.inherits(img.Env), c.Env)
	if c.WorkDir == "" && img.WorkingDir != "" {
		c.WorkDir = path.Clean("/" + img.WorkingDir)
	}
	if c.User == "" {
		c.User = img.User
	}
	if c.StopSignal == "" {
		c.StopSignal = img.StopSignal
	}
	if len(img.Labels) > 0 {
		labels := maps.Clone(img.Labels)
		maps.Copy(labels, c.Labels)
		c.Labels = labels
	}
	c.addImageVolumes(img.Volumes)
	c.addImagePorts(img.ExposedPorts)
}

// inherits are the variables of an image that the container gets.
func (c *Container) inherits(env []string) []string {
	if c.UnsetEnvAll {
		return nil
	}
	env = WellFormed(env)
	if len(c.UnsetEnv) == 0 {
		return env
	}
	return slices.DeleteFunc(env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(c.UnsetEnv, name)
	})
}

// WellFormed are the variables of an image but for those without a name or a value, which docker keeps out as well.
func WellFormed(env []string) []string { return slices.DeleteFunc(slices.Clone(env), malformed) }

func malformed(kv string) bool {
	_, err := parseEnv(kv, nil)
	return err != nil || !strings.Contains(kv, "=")
}

func (c *Container) addImageVolumes(volumes map[string]struct{}) {
	for _, target := range slices.Sorted(maps.Keys(volumes)) {
		target = path.Clean("/" + target)
		taken := slices.ContainsFunc(c.Mounts.List, func(m Mount) bool { return m.Target == target })
		if !taken {
			c.Mounts.List = append(c.Mounts.List, Mount{Type: MountVolume, Target: target, Anonymous: true, Optional: true})
		}
	}
}

func (c *Container) addImagePorts(ports map[string]struct{}) {
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		exposed, err := ParseExposed(port)
		if err != nil {
			continue // an image may expose what we cannot publish, such as sctp
		}
		for _, one := range exposed {
			if !slices.Contains(c.Expose, one) {
				c.Expose = append(c.Expose, one)
			}
		}
	}
	if c.PublishAll {
		c.publishExposed()
	}
}
