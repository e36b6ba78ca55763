//go:build !moss_front

package cli

import (
	"io"
	"log"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/mosscontainers/moss/pkg/term"
)

// libraryLog prints what the image libraries log as Moss's own warnings look.
type libraryLog struct{}

// Format is one line, or nothing.
func (libraryLog) Format(e *logrus.Entry) ([]byte, error) {
	if mendsItself(e.Message) {
		return nil, nil
	}
	kind := "warning"
	if e.Level > logrus.WarnLevel {
		kind = e.Level.String()
	}
	return []byte("moss: " + kind + ": " + term.Printable(e.Message) + "\n"), nil
}

// quietLibraries keeps the libraries' running commentary from the standard error, but for warnings. Package log has none: what is
// logged there, as by the one for SSH agents, is said to whoever asked for it too.
func quietLibraries() {
	log.SetOutput(io.Discard)
	logrus.SetLevel(logrus.WarnLevel)
	logrus.SetFormatter(libraryLog{})
}

// tellLibraries has them say as much as --log-level wants.
func (a *App) tellLibraries() {
	if level, err := logrus.ParseLevel(a.logLevel.String()); err == nil {
		logrus.SetLevel(level)
	}
}

// mendsItself knows what containers/storage says of a layer that it could not finish, besides the error that it returns, and
// again when it removes that layer the next time the store is opened: nobody has to do anything.
func mendsItself(message string) bool {
	return slices.ContainsFunc([]string{"While recovering from a failure", "Found incomplete layer"}, func(start string) bool {
		return strings.HasPrefix(message, start)
	})
}
