package spec

// Network is how the container reaches others and is reached.
type Network struct {
	// Network is "" for the default, or none, host, slirp4netns, container:ID.
	Network    string        `json:"network,omitempty"`
	Ports      []PortMapping `json:"ports,omitempty"`
	DNS        []string      `json:"dns,omitempty"`
	DNSSearch  []string      `json:"dnsSearch,omitempty"`
	DNSOptions []string      `json:"dnsOptions,omitempty"`
	AddHosts   []string      `json:"addHosts,omitempty"` // NAME:IP
}

// PortMapping is one published port: a single port, so that a range is several of these.
type PortMapping struct {
	HostIP        string `json:"hostIP,omitempty"`   // "" is all addresses
	HostPort      uint16 `json:"hostPort,omitempty"` // 0 is "choose one when the container starts"
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp or udp
}
