package spec

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Service is what the service manager that starts the container wants to know of it, and where its processes belong.
type Service struct {
	Notify string `json:"notify,omitempty"` // who says that the service is ready; "" is NotifyContainer
	// PIDFile and MonitorPIDFile are files that each start writes: with the container's first process, and with the monitor, which
	// ends with the container and its exit code.
	PIDFile        string `json:"pidFile,omitempty"`
	MonitorPIDFile string `json:"monitorPIDFile,omitempty"`
	Cgroups        string `json:"cgroups,omitempty"` // "" is CgroupsEnabled
}

// Who says that the service is ready (sd_notify(3)), as Podman calls them: the container itself; whoever starts it, once it runs; nobody.
const (
	NotifyContainer = "container"
	NotifyMonitor   = "conmon"
	NotifyNobody    = "ignore"
)

// The control groups of a container and its monitor.
const (
	CgroupsEnabled   = "enabled"
	CgroupsDisabled  = "disabled"  // the container has none of its own
	CgroupsNoMonitor = "no-conmon" // the monitor stays in that of whoever starts it
	CgroupsSplit     = "split"     // Podman's for both below the unit's
)

// AddFlags declares the flags for service managers.
func (v *Service) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "sdnotify", "", "string", NotifyContainer, "who tells systemd that the service is ready: container, conmon (at the start), or ignore", func(s string) error {
		v.Notify = s
		return checkNotify(s)
	})
	addFlag(fs, "cgroups", "", "string", CgroupsEnabled, "control groups: enabled, disabled for none, no-conmon to leave the monitor where it is started, or split, as no-conmon", func(s string) error {
		v.Cgroups = s
		return checkCgroups(s)
	})
	addPath(fs, &v.MonitorPIDFile, "conmon-pidfile", "write the process id of the container's monitor to this `file` at each start")
	addPath(fs, &v.PIDFile, "pidfile", "write the process id of the container to this `file` at each start")
}

// addPath declares a flag for a file on the host.
func addPath(fs *pflag.FlagSet, to *string, name, help string) {
	addFlag(fs, name, "", "string", "", help, func(s string) error {
		if s == "" {
			return invalid(name, s, "want the path of a file")
		}
		path, err := filepath.Abs(s)
		if err != nil {
			return invalid(name, s, "%w", err)
		}
		*to = path
		return nil
	})
}

func checkNotify(who string) error {
	switch who {
	case "", NotifyContainer, NotifyMonitor, NotifyNobody:
		return nil
	case "healthy":
		return invalid("sdnotify", who, "containers are not checked for health yet; conmon tells when the container runs, and container leaves it to the program")
	}
	return invalid("sdnotify", who, "want container, conmon or ignore")
}

func checkCgroups(mode string) error {
	switch mode {
	case "", CgroupsEnabled, CgroupsDisabled, CgroupsNoMonitor, CgroupsSplit:
		return nil
	}
	return invalid("cgroups", mode, "want enabled, disabled, no-conmon or split")
}

// Stays says whether the monitor is to stay in the control group of whoever starts it, given whether a service manager is to be told of it: it
// takes no other process for that of the service.
func (v *Service) Stays(told bool) bool {
	return told && v.Notify != NotifyNobody || v.MonitorPIDFile != "" || v.Cgroups == CgroupsNoMonitor || v.Cgroups == CgroupsSplit
}

// Validate checks what service managers are told.
func (v *Service) Validate() error {
	if err := checkNotify(v.Notify); err != nil {
		return err
	}
	for flag, path := range map[string]string{"pidfile": v.PIDFile, "conmon-pidfile": v.MonitorPIDFile} {
		if path != "" && !filepath.IsAbs(path) {
			return errdefs.Errorf(errdefs.ErrInvalid, "invalid --%s %q: want an absolute path", flag, path)
		}
	}
	return checkCgroups(v.Cgroups)
}
