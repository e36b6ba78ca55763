package spec

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"
)

// Logging is where the container's output is kept. The monitor reads it.
type Logging struct {
	LogDriver  string `json:"logDriver,omitempty"`  // "" is k8s-file; none
	LogPath    string `json:"logPath,omitempty"`    // absolute; "" is the container's own directory
	LogMaxSize int64  `json:"logMaxSize,omitempty"` // bytes after which the log is rotated; 0 is never
	// LogMaxFiles is how many files a log that is rotated has; 0 is two.
	LogMaxFiles int `json:"logMaxFiles,omitempty"`
}

// maxLogFiles bounds what a reader opens at once.
const maxLogFiles = 100

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
	addFlag(fs, "log-opt", "", "list", "", "log `option`: path=FILE, max-size=SIZE, max-file=NUMBER", l.setOption)
}

// settle takes over what the description leaves open.
func (l *Logging) settle(d *Logging) {
	l.LogDriver, l.LogMaxSize, l.LogMaxFiles = cmp.Or(l.LogDriver, d.LogDriver), cmp.Or(l.LogMaxSize, d.LogMaxSize), cmp.Or(l.LogMaxFiles, d.LogMaxFiles)
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
	case "max-file":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxLogFiles {
			return invalid("log-opt", s, "want a number of files from 1 to %d", maxLogFiles)
		}
		l.LogMaxFiles = n
	default:
		return invalid("log-opt", s, "want path=FILE, max-size=SIZE or max-file=NUMBER")
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
