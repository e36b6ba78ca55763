package spec

// Lifecycle is how the container is stopped, restarted and removed.
type Lifecycle struct {
	Remove      bool    `json:"remove,omitempty"`      // --rm
	StopSignal  string  `json:"stopSignal,omitempty"`  // "" is SIGTERM
	StopTimeout *uint   `json:"stopTimeout,omitempty"` // seconds; nil is 10
	Restart     Restart `json:"restart,omitzero"`
	CIDFile     string  `json:"cidFile,omitempty"`
	Runtime     string  `json:"runtime,omitempty"` // "" is our own; a name or path of an OCI runtime
}

// Restart is the restart policy.
type Restart struct {
	Policy  string `json:"policy,omitempty"`  // no, on-failure, always, unless-stopped
	Retries uint   `json:"retries,omitempty"` // of on-failure; 0 is without end
}
