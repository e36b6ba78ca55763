package inspect

import "time"

// VolumeData is the document of one volume.
type VolumeData struct {
	Name       string
	Driver     string // "local"
	Mountpoint string // the directory on the host
	CreatedAt  time.Time
	Labels     map[string]string
	Scope      string // "local"
	Options    map[string]string
	Anonymous  bool `json:",omitempty"` // made by a container, and removed with it
}
