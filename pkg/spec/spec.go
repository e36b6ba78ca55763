// Package spec is the one description of a container: what the command line parses is what is stored
// in spec.json is what the API speaks. It is cut by subject; each file holds its fields, the flags that
// set them, the checks, and a pure Apply that writes them into an OCI runtime configuration.
package spec

import (
	"slices"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Container describes one container. It is written once, when the container is created, except that
// `update` and `rename` replace it whole.
//
//easyjson:json
type Container struct {
	// Format is what it takes to understand this: package record.
	Format  int       `json:"format,omitempty"`
	ID      string    `json:"id"` // 64 hexadecimal digits
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Image   Image     `json:"image"`

	Process
	Identity
	Namespaces
	Mounts
	Resources
	Security
	Network
	Logging
	Lifecycle
	Service
	Metadata

	// HealthFlags are the flags about checks for health that were given, which there are not yet.
	HealthFlags []string `json:"-"`

	flags *pflag.FlagSet // those it was read from, if any
}

// Image is what the container was made from.
type Image struct {
	Name string `json:"name"` // as the user gave it, normalised: docker.io/library/busybox:latest
	ID   string `json:"id"`   // 64 hexadecimal digits: the digest of the image's configuration
	// Rootfs is a directory used instead of an image (--rootfs).
	Rootfs string `json:"rootfs,omitempty"`
	// Kin says that its programs are of an architecture as host.Kin means it.
	Kin bool `json:"kin,omitempty"`
}

// AddFlags declares the flags that describe a container, but for those of AddRareFlags.
func (c *Container) AddFlags(fs *pflag.FlagSet) {
	c.flags = fs
	fs.StringVar(&c.Name, "name", "", "`name` of the container (default one of our choice)")
	c.Process.AddFlags(fs)
	c.Identity.AddFlags(fs)
	c.Namespaces.AddFlags(fs)
	c.Mounts.AddFlags(fs)
	c.Resources.AddFlags(fs)
	c.Security.AddFlags(fs)
	c.Network.AddFlags(fs)
	c.Logging.AddFlags(fs)
	c.Lifecycle.AddFlags(fs)
	c.Metadata.AddFlags(fs)
}

// Validate checks the whole description. Its errors are errdefs.ErrInvalid.
func (c *Container) Validate() error {
	for _, part := range []interface{ Validate() error }{
		&c.Process, &c.Identity, &c.Namespaces, &c.Mounts, &c.Resources, &c.Security, &c.Network, &c.Logging, &c.Lifecycle, &c.Service,
	} {
		if err := part.Validate(); err != nil {
			return err
		}
	}
	if c.UTS == "host" && c.Hostname != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --hostname together with --uts host: the container has the host's name")
	}
	for name := range c.Sysctls {
		if kind := sysctlNamespace(name); c.hostHas(kind) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot set --sysctl %s: the container shares the host's %s namespace", name, kind)
		}
	}
	return nil
}

// hostHas says whether the description has the container share the host's namespace of a kind.
func (c *Container) hostHas(kind specs.LinuxNamespaceType) bool {
	if kind == specs.NetworkNamespace {
		return c.Network.Mode == NetworkHost
	}
	for _, ns := range c.modes() {
		if ns.kind == kind {
			return ns.mode == "host"
		}
	}
	return false
}

// ImageIDs are the images that the container is made of, each once: its own, if it has one, and those that it mounts.
func (c *Container) ImageIDs() []string {
	ids := c.mountedImages()
	if c.Image.ID != "" {
		ids = append(ids, c.Image.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
