package spec

// Identity is who the container's process is and how the container calls itself.
type Identity struct {
	User     string   `json:"user,omitempty"`   // as given: NAME|UID[:GROUP|GID]; resolved in the rootfs at start
	Groups   []string `json:"groups,omitempty"` // --group-add
	Hostname string   `json:"hostname,omitempty"`
}
