package cli

import (
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/term"
)

// App is what every command shares: the streams, the global flags, and what is made from them once it
// is needed.
type App struct {
	In       *os.File
	Out, Err *os.File

	over     config.Overrides
	logLevel logLevel
	runtime  string

	args       []string // of the command line; none when all there is is asked for
	interrupts *interrupts

	config func() (*config.Config, error)
	engine func() (*libpod.Engine, error)
}

// newApp is an App on these streams.
func newApp(in, out, err *os.File) *App {
	app := &App{In: in, Out: out, Err: err, logLevel: levelWarn}
	app.config = sync.OnceValues(func() (*config.Config, error) {
		cfg, err := config.Load(app.over)
		if err != nil {
			return nil, err
		}
		return cfg, cfg.Containers.SetEnv()
	})
	app.engine = sync.OnceValues(func() (*libpod.Engine, error) {
		cfg, err := app.config()
		if err != nil {
			return nil, err
		}
		engine := libpod.New(cfg)
		engine.Store.Tell = app.debug
		return engine, nil
	})
	return app
}

// Config is the configuration under the global flags.
func (a *App) Config() (*config.Config, error) { return a.config() }

// Engine is the engine under the global flags.
func (a *App) Engine() (*libpod.Engine, error) { return a.engine() }

// rare says whether the command line has flags that are not declared so far.
func (a *App) rare(declared *pflag.FlagSet) bool {
	return len(a.args) == 0 || slices.ContainsFunc(a.args, func(word string) bool {
		name, ok := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		return ok && declared.Lookup(name) == nil
	})
}

// eprintln prints a line, or several, without control characters: there may be words of images and registries in it.
func (a *App) eprintln(line string) {
	// There is nobody left to tell when the standard error is closed.
	_, _ = a.Err.WriteString(term.PrintableLines(line) + "\n")
}
