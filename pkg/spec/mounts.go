package spec

// Mounts is everything mounted into the container, and the devices it is given.
type Mounts struct {
	Mounts   []Mount  `json:"mounts,omitempty"`
	ReadOnly bool     `json:"readOnly,omitempty"` // the root file system
	ShmSize  int64    `json:"shmSize,omitempty"`  // bytes; 0 is 64 MiB
	Devices  []Device `json:"devices,omitempty"`
}

// MountType is the kind of a mount.
type MountType string

// The kinds of mounts.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
)

// Mount is one -v, --mount or --tmpfs. For a volume Source is the volume's name (made at create when it
// was empty, and then Anonymous); for a bind it is an absolute path of the host.
type Mount struct {
	Type      MountType `json:"type"`
	Source    string    `json:"source,omitempty"`
	Target    string    `json:"target"` // absolute, clean
	ReadOnly  bool      `json:"readOnly,omitempty"`
	Options   []string  `json:"options,omitempty"` // propagation, exec, size=…, mode=…, as mount(8) writes them
	NoCopy    bool      `json:"noCopy,omitempty"`  // a volume is not filled from the image
	Anonymous bool      `json:"anonymous,omitempty"`
	// Optional mounts come from the image (VOLUME): a user's mount on the same target replaces one.
	Optional bool `json:"optional,omitempty"`
}

// Device is one --device.
type Device struct {
	Host      string `json:"host"`
	Container string `json:"container"`
	Access    string `json:"access"` // any of r, w, m
}
