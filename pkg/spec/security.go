package spec

// Security is what the container's processes may do.
type Security struct {
	CapAdd          []string          `json:"capAdd,omitempty"`
	CapDrop         []string          `json:"capDrop,omitempty"`
	Privileged      bool              `json:"privileged,omitempty"`
	NoNewPrivileges bool              `json:"noNewPrivileges,omitempty"`
	Seccomp         string            `json:"seccomp,omitempty"` // "" is the default profile, "unconfined", or a path
	Sysctls         map[string]string `json:"sysctls,omitempty"`
}
