package spec

import (
	"maps"
	"path"
	"slices"
	"strings"

	ociv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ApplyImage fills what the user left open from the image's configuration, as Docker and Podman do. It is
// called once, when the container is created; Validate comes after it, because an image can be wrong too.
func (c *Container) ApplyImage(img ociv1.ImageConfig) {
	if c.Entrypoint == nil {
		c.Entrypoint = img.Entrypoint
		if len(c.Command) == 0 {
			c.Command = img.Cmd // an entrypoint of the user's own drops the image's command
		}
	}
	c.Env = mergeEnv(slices.DeleteFunc(slices.Clone(img.Env), malformed), c.Env)
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

// malformed finds variables without a name or a value, which docker keeps out as well.
func malformed(kv string) bool {
	_, err := parseEnv(kv, nil)
	return err != nil || !strings.Contains(kv, "=")
}

func (c *Container) addImageVolumes(volumes map[string]struct{}) {
	for _, target := range slices.Sorted(maps.Keys(volumes)) {
		target = path.Clean("/" + target)
		taken := slices.ContainsFunc(c.Mounts.Mounts, func(m Mount) bool { return m.Target == target })
		if !taken {
			c.Mounts.Mounts = append(c.Mounts.Mounts, Mount{Type: MountVolume, Target: target, Anonymous: true, Optional: true})
		}
	}
}

func (c *Container) addImagePorts(ports map[string]struct{}) {
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		exposed, err := parseExpose(port)
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
