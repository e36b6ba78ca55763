package spec

// Logging is where the container's output is kept.
type Logging struct {
	LogDriver string `json:"logDriver,omitempty"` // "" is k8s-file; none
	LogPath   string `json:"logPath,omitempty"`   // "" is the container's own directory
}
