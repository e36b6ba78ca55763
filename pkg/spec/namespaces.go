package spec

// Namespaces says which namespaces the container shares: "" or "private" for one of its own, "host",
// "container:ID", or "ns:PATH".
type Namespaces struct {
	PID    string `json:"pid,omitempty"`
	IPC    string `json:"ipc,omitempty"`
	UTS    string `json:"uts,omitempty"`
	Cgroup string `json:"cgroup,omitempty"`
	User   string `json:"user,omitempty"`
}
