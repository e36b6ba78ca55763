package spec

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Lifecycle is how the container is stopped, restarted and removed. Nothing of it is in an OCI
// configuration: the monitor reads it.
type Lifecycle struct {
	Remove      bool    `json:"remove,omitempty"`      // --rm
	StopSignal  string  `json:"stopSignal,omitempty"`  // "" is SIGTERM
	StopTimeout *uint   `json:"stopTimeout,omitempty"` // seconds, or Endless; nil is 10
	Restart     Restart `json:"restart,omitzero"`
	CIDFile     string  `json:"cidFile,omitempty"`
	Runtime     string  `json:"runtime,omitempty"` // "" is our own; a name or path of an OCI runtime
}

// Restart is the restart policy.
type Restart struct {
	Policy  string `json:"policy,omitempty"`  // no, on-failure, always, unless-stopped
	Retries uint   `json:"retries,omitempty"` // of on-failure; 0 is without end
}

// The restart policies.
const (
	RestartNo            = "no"
	RestartOnFailure     = "on-failure"
	RestartAlways        = "always"
	RestartUnlessStopped = "unless-stopped"
)

// AddFlags declares the flags of the life cycle.
func (l *Lifecycle) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&l.Remove, "rm", false, "remove the container when it ends")
	addFlag(fs, "stop-signal", "", "string", "", "`signal` that stops the container (default SIGTERM)", func(s string) error {
		l.StopSignal = s
		return checkSignal("stop-signal", s)
	})
	addFlag(fs, "stop-timeout", "", "int", "10", "`seconds` to wait after the stop signal before killing; -1 waits without end", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return invalid("stop-timeout", s, "want a number of seconds, or -1 to wait without end")
		}
		seconds := Patience(n)
		l.StopTimeout = &seconds
		return nil
	})
	addFlag(fs, "restart", "", "string", "no", "restart `policy`: no, on-failure[:N], always, unless-stopped", func(s string) (err error) {
		l.Restart, err = ParseRestart(s)
		return err
	})
}

// Endless is a timeout in seconds that nobody waits out.
const Endless = uint(100 * 365 * 24 * 3600)

// Patience is a timeout as flags have it, in seconds: below 0 is without end, as Docker has it.
func Patience(seconds int) uint {
	if seconds < 0 {
		return Endless
	}
	return min(uint(seconds), Endless)
}

func checkSignal(flag, s string) error {
	if _, ok := sys.ParseSignal(s); !ok {
		return invalid(flag, s, "want a signal's name or number, such as SIGTERM or 15")
	}
	return nil
}

// ParseSignal reads a signal's name or number.
func ParseSignal(s string) (syscall.Signal, error) {
	sig, _ := sys.ParseSignal(s)
	return sig, checkSignal("signal", s)
}

// ParseRestart reads no, on-failure[:N], always or unless-stopped.
func ParseRestart(s string) (Restart, error) {
	policy, count, hasCount := strings.Cut(s, ":")
	r := Restart{Policy: policy}
	if hasCount {
		n, err := strconv.ParseUint(count, 10, 31)
		if err != nil || policy != RestartOnFailure {
			return r, invalid("restart", s, "only on-failure takes a number of attempts: on-failure:3")
		}
		r.Retries = uint(n)
	}
	return r, r.validate()
}

func (r Restart) validate() error {
	switch r.Policy {
	case "", RestartNo, RestartOnFailure, RestartAlways, RestartUnlessStopped:
		return nil
	}
	return invalid("restart", r.Policy, "want no, on-failure[:N], always or unless-stopped")
}

// Restarts says whether the policy ever restarts.
func (r Restart) Restarts() bool { return r.Policy != "" && r.Policy != RestartNo }

// Validate checks the life cycle.
func (l *Lifecycle) Validate() error {
	if l.StopSignal != "" {
		if err := checkSignal("stop-signal", l.StopSignal); err != nil {
			return err
		}
	}
	if l.Remove && l.Restart.Restarts() {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --rm together with --restart %s: a container is removed or restarted when it ends, not both", l.Restart.Policy)
	}
	return l.Restart.validate()
}
