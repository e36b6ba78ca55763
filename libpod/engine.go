// Package libpod is the engine: it joins images, descriptions, state, runtime, network and monitor into
// what can be done with containers and volumes. It prints nothing; warnings are part of results.
package libpod

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/rootless"
)

// Context is context.Context, for short.
type Context = context.Context

// Engine does things with the containers of one store. It opens nothing until it must.
type Engine struct {
	Config *config.Config
	Store  *state.Store
	NS     *rootless.Namespace

	facts func() (host.Facts, error)
}

// New is an engine for a configuration.
func New(cfg *config.Config) *Engine {
	return &Engine{
		Config: cfg,
		Store:  &state.Store{Dir: filepath.Join(cfg.Storage.GraphRoot, "moss")},
		NS:     Namespace(cfg),
		facts:  sync.OnceValues(host.Probe),
	}
}

// Namespace is the user's namespace, as this configuration finds it.
func Namespace(cfg *config.Config) *rootless.Namespace {
	return &rootless.Namespace{
		Dir:       filepath.Join(cfg.RuntimeDir, "moss", "ns"),
		Program:   embedded.Monitor,
		ProgramID: embedded.MonitorID,
	}
}

// Facts are what this host can do.
func (e *Engine) Facts() (host.Facts, error) { return e.facts() }

// runDir is the directory of a container on the file system that a reboot wipes.
func (e *Engine) runDir(id string) string {
	return filepath.Join(e.Config.Storage.RunRoot, "moss", id)
}

// runDirOf is that of a container that may have been started by a session with another such file system.
func (e *Engine) runDirOf(c *state.Container) string {
	if filepath.Base(c.State.RunDir) == c.Spec.ID {
		return c.State.RunDir
	}
	return e.runDir(c.Spec.ID)
}

// closing joins the error of an operation with that of closing what it used.
func closing(err *error, c io.Closer) { *err = errors.Join(*err, c.Close()) }
