//go:build !moss_front

package cli

import "github.com/sirupsen/logrus"

// libraryLog prints what the image libraries log as Moss's own warnings look.
type libraryLog struct{}

// Format is one line.
func (libraryLog) Format(e *logrus.Entry) ([]byte, error) {
	return []byte("moss: warning: " + e.Message + "\n"), nil
}

// quietLibraries keeps the libraries' running commentary from the standard error, but for warnings.
func quietLibraries() {
	logrus.SetLevel(logrus.WarnLevel)
	logrus.SetFormatter(libraryLog{})
}
