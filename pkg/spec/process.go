package spec

// Process is what runs in the container and on which terminal.
type Process struct {
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Command    []string          `json:"command,omitempty"`
	Env        []string          `json:"env,omitempty"` // KEY=VALUE, in order, no key twice
	WorkDir    string            `json:"workDir,omitempty"`
	Terminal   bool              `json:"terminal,omitempty"`  // -t
	OpenStdin  bool              `json:"openStdin,omitempty"` // -i
	Init       bool              `json:"init,omitempty"`      // run our own init as PID 1
	DetachKeys string            `json:"detachKeys,omitempty"`
	Rlimits    map[string]Rlimit `json:"rlimits,omitempty"` // by the name after RLIMIT_, lower case
}

// Rlimit is one --ulimit. -1 is unlimited.
type Rlimit struct {
	Soft int64 `json:"soft"`
	Hard int64 `json:"hard"`
}
