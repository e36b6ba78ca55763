package libpod

import (
	"fmt"
	"os"

	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/pkg/sys"
)

// notifyTarget is where a container finds the socket at which it tells how it is.
const notifyTarget = "/run/notify/notify.sock"

// manager is the socket of the service manager that wants to know of this start (sd_notify(3)); "" for none.
func (s *launch) manager() string {
	if s.c.Notify == spec.NotifyNobody {
		return ""
	}
	return os.Getenv("NOTIFY_SOCKET")
}

// asked says whether the container is the one to tell it that the service is ready.
func (s *launch) asked() bool {
	return s.l != nil && s.c.Notify != spec.NotifyMonitor && s.manager() != ""
}

// tellManager tells the service manager that the container runs, and that the service is the monitor with this pid.
func (s *launch) tellManager(monitor int) {
	socket := s.manager()
	if socket == "" {
		return
	}
	message := fmt.Sprintf("MAINPID=%d", monitor)
	if !s.asked() {
		message += "\nREADY=1"
	}
	if err := sys.Notify(socket, message); err != nil {
		s.warnings = append(s.warnings, fmt.Sprintf("cannot tell the service manager at %s, which NOTIFY_SOCKET names, that the container runs: %v", socket, err))
	}
}
