package spec

import (
	"cmp"
	"path/filepath"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"
)

// Logging is where the container's output is kept. The monitor reads it.
type Logging struct {
	LogDriver  string `json:"logDriver,omitempty"`  // "" is k8s-file; none
	LogPath    string `json:"logPath,omitempty"`    // absolute; "" is the container's own directory
	LogMaxSize int64  `json:"logMaxSize,omitempty"` // bytes after which the log is rotated; 0 is never
}

// The log drivers.
const (
	LogK8sFile = "k8s-file"
	LogNone    = "none"
)

// AddFlags declares the flags of logging.
func (l *Logging) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "log-driver", "", "string", LogK8sFile, "log `driver`: k8s-file or none", func(s string) error {
		if l.LogDriver = s; s == "json-file" { // Podman's other name of it
			l.LogDriver = LogK8sFile
		}
		return l.Validate()
	})
	addFlag(fs, "log-opt", "", "list", "", "log `option`: path=FILE, max-size=SIZE", l.setOption)
}

// settle takes over what the description leaves open.
func (l *Logging) settle(d *Logging) {
	l.LogDriver, l.LogMaxSize = cmp.Or(l.LogDriver, d.LogDriver), cmp.Or(l.LogMaxSize, d.LogMaxSize)
}

func (l *Logging) setOption(s string) error {
	key, value, _ := strings.Cut(s, "=")
	switch key {
	case "path":
		path, err := filepath.Abs(value)
		if value == "" || err != nil {
			return invalid("log-opt", s, "want path=FILE")
		}
		l.LogPath = path
	case "max-size":
		n, err := units.RAMInBytes(value)
		if err != nil || n <= 0 {
			return invalid("log-opt", s, "want a size such as max-size=10m")
		}
		l.LogMaxSize = n
	default:
		return invalid("log-opt", s, "want path=FILE or max-size=SIZE")
	}
	return nil
}

// Validate checks the logging.
func (l *Logging) Validate() error {
	switch l.LogDriver {
	case "", LogK8sFile, LogNone:
		return nil
	}
	return invalid("log-driver", l.LogDriver, "want k8s-file or none")
}
