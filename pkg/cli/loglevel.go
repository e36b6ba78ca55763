package cli

import (
	"slices"
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// logLevel is how much is said on the standard error: its place in logLevels. Errors always are.
type logLevel int

// logLevels are Podman's words.
var logLevels = []string{"trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"}

const (
	levelDebug   logLevel = 1
	levelWarn    logLevel = 3
	levelWarning logLevel = 4
)

func (l *logLevel) String() string { return logLevels[*l] }
func (l *logLevel) Type() string   { return "string" }
func (l *logLevel) Set(s string) error {
	i := slices.Index(logLevels, strings.ToLower(s))
	if i < 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid --log-level %q: choose one of %s", s, strings.Join(logLevels, ", "))
	}
	*l = logLevel(i)
	return nil
}

// Warn prints what a result warns of. It goes to the standard error, so that scripts read clean output.
func (a *App) Warn(warnings ...string) {
	if a.logLevel > levelWarning {
		return
	}
	for _, w := range warnings {
		a.eprintln("moss: warning: " + w)
	}
}

// debug prints what nobody has to know: what killed commands left, for example.
func (a *App) debug(text string) {
	if a.logLevel <= levelDebug {
		a.eprintln("moss: debug: " + text)
	}
}
