package cli

import (
	"os"
	"sync"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/config"
)

// App is what every command shares: the streams, the global flags, and what is made from them once it
// is needed.
type App struct {
	In       *os.File
	Out, Err *os.File

	over     config.Overrides
	logLevel string
	runtime  string

	interrupts *interrupts

	config func() (*config.Config, error)
	engine func() (*libpod.Engine, error)
}

// newApp is an App on these streams.
func newApp(in, out, err *os.File) *App {
	app := &App{In: in, Out: out, Err: err}
	app.config = sync.OnceValues(func() (*config.Config, error) { return config.Load(app.over) })
	app.engine = sync.OnceValues(func() (*libpod.Engine, error) {
		cfg, err := app.config()
		if err != nil {
			return nil, err
		}
		return libpod.New(cfg), nil
	})
	return app
}

// Config is the configuration under the global flags.
func (a *App) Config() (*config.Config, error) { return a.config() }

// Engine is the engine under the global flags.
func (a *App) Engine() (*libpod.Engine, error) { return a.engine() }

// Warn prints what a result warns of. It goes to the standard error, so that scripts read clean output.
func (a *App) Warn(warnings ...string) {
	for _, w := range warnings {
		a.eprintln("moss: warning: " + w)
	}
}

func (a *App) eprintln(line string) {
	// There is nobody left to tell when the standard error is closed.
	_, _ = a.Err.WriteString(line + "\n")
}
