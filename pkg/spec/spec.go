// Package spec is the one description of a container: what the command line parses is what is stored
// in spec.json is what the API speaks. It is cut by subject; each file holds its fields, the flags that
// set them, the checks, and a pure Apply that writes them into an OCI runtime configuration.
package spec

import (
	"time"
)

// Container describes one container. It is written once, when the container is created, except that
// `update` and `rename` replace it whole.
type Container struct {
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
	Metadata
}

// Image is what the container was made from.
type Image struct {
	Name string `json:"name"` // as the user gave it, normalised: docker.io/library/busybox:latest
	ID   string `json:"id"`   // 64 hexadecimal digits: the digest of the image's configuration
	// Rootfs is a directory used instead of an image (--rootfs).
	Rootfs string `json:"rootfs,omitempty"`
}

// Metadata is what a user attached for finding the container again.
type Metadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// CreateCommand is the command line that made the container.
	CreateCommand []string `json:"createCommand,omitempty"`
}
