package spec

// Resources are the limits of the container. Zero is no limit.
type Resources struct {
	Memory    int64   `json:"memory,omitempty"`    // bytes
	CPUs      float64 `json:"cpus,omitempty"`      // cores
	PidsLimit int64   `json:"pidsLimit,omitempty"` // processes and threads; -1 is unlimited
	OOMScore  *int    `json:"oomScoreAdj,omitempty"`
}
