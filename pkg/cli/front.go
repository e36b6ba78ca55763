//go:build moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/rootless/nsenter"
	"github.com/mosscontainers/moss/storage"
)

// Moss is two programs in one file. The front, this one, has the commands that must be quick and links
// nothing that writes images or talks to registries: their packages' initialisation alone would take as long as
// starting a container. It carries the full program, and becomes it for everything else (rootless/nsenter/full.c).

// commands are the quick ones. Only the one that args name is made, unless other words come first.
func commands(app *App, args []string) []*cobra.Command {
	quick := []struct {
		name string
		make func(*App) *cobra.Command
	}{
		{libpod.HealCommand, newHealCommand},
		{"attach", newAttachCommand},
		{"build", newBuildCommand},
		{"builder", func(app *App) *cobra.Command { return newBuildGroup(app, "builder") }},
		{"buildx", func(app *App) *cobra.Command { return newBuildGroup(app, "buildx") }},
		{"create", newCreateCommand},
		{"exec", newExecCommand},
		{"image", func(app *App) *cobra.Command { return newBuildGroup(app, "image") }},
		{"images", func(app *App) *cobra.Command { return newImagesCommand(app, "images") }},
		{"info", newInfoCommand},
		{"inspect", newInspectCommand},
		{"kill", newKillCommand},
		{"logs", newLogsCommand},
		{"port", newPortCommand},
		{"ps", newPsCommand},
		{"rename", newRenameCommand},
		{"restart", newRestartCommand},
		{"rm", newRmCommand},
		{"run", newRunCommand},
		{"start", newStartCommand},
		{"stop", newStopCommand},
		{"version", newVersionCommand},
		{"wait", newWaitCommand},
	}
	var made []*cobra.Command
	if slices.Equal(args, versionFlag) {
		return nil
	}
	for _, c := range quick {
		if len(args) == 0 || strings.HasPrefix(args[0], "-") || args[0] == c.name {
			made = append(made, c.make(app))
		}
	}
	return made
}

func begin() bool { return false }

func (a *App) tellLibraries() {} // none that says anything is linked

var versionFlag = []string{"--version"}

// knows says whether the front has the command that args name.
func knows(root *cobra.Command, args []string) bool {
	if slices.Equal(args, versionFlag) {
		return true
	}
	cmd, _, err := root.Find(args)
	return err == nil && cmd.HasParent() && cmd.Runnable()
}

// handOver becomes the full program, with the same arguments: it returns only an error. Mostly the constructor has done that long before:
// this is for those who find out later what they need.
func (a *App) handOver() error {
	if e := nsenter.Result(); e.NoFull != 0 {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the part of moss that has this command: %w; build and copy bin/moss as a whole", syscall.Errno(e.NoFull))
	}
	env, err := rootless.Pass(os.Environ())
	if err != nil {
		return err
	}
	if err := a.interrupts.leave(); err != nil {
		return err
	}
	return fmt.Errorf("cannot execute moss again: %w", syscall.Exec("/proc/self/exe", os.Args, env))
}

// findImage is the image to run, when it is here. One that is to be pulled, or kept from being removed under
// the container, is for the full program, which then does all of the command.
func (a *App) findImage(_ context.Context, name string, o imageChoice, durable bool) (*storage.Image, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	if o.pull != "missing" && o.pull != "never" || o.platform != "" {
		return nil, a.handOver()
	}
	img, err := a.resolve(cfg, name)
	if errors.Is(err, errdefs.ErrNotFound) && o.pull == "missing" {
		return nil, a.handOver()
	}
	if err == nil && durable && !storage.Pinned(cfg.Storage, img.ID) {
		return nil, a.handOver()
	}
	return img, err
}

// resolve finds a local image.
func (a *App) resolve(cfg *config.Config, name string) (*storage.Image, error) {
	img, err := storage.Resolve(cfg, name)
	if errors.Is(err, storage.ErrNeedsFull) {
		err = a.handOver()
	}
	return img, err
}

func (a *App) inspectImage(string) (any, error) { return nil, a.handOver() }

func (a *App) printImageTree(*config.Config, []imageRow) error { return a.handOver() }
