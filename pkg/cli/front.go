//go:build moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/storage"
)

// Moss is two programs in one file. The front, this one, has the commands that must be quick and links
// nothing that writes images or talks to registries: their packages' initialisation alone would take as long as
// starting a container. It carries the full program, and becomes it for everything else.

// commands are the quick ones.
func commands(app *App) []*cobra.Command {
	return []*cobra.Command{
		newAttachCommand(app), newCreateCommand(app), newExecCommand(app), newImagesCommand(app, "images"), newInfoCommand(app), newInspectCommand(app),
		newKillCommand(app), newLogsCommand(app), newPortCommand(app), newPsCommand(app), newRenameCommand(app), newRestartCommand(app),
		newRmCommand(app), newRunCommand(app), newStartCommand(app), newStopCommand(app), newVersionCommand(app), newWaitCommand(app),
	}
}

func begin() bool { return false }

// knows says whether the front has the command that args name.
func knows(root *cobra.Command, args []string) bool {
	if slices.Equal(args, []string{"--version"}) {
		return true
	}
	cmd, _, err := root.Find(args)
	return err == nil && cmd != root && cmd.HasParent()
}

// handOver becomes the full program, with the same arguments: it returns only an error.
func (a *App) handOver() error {
	program, err := embedded.Full()
	if err != nil {
		return err
	}
	f, err := sys.SealedProgram("moss", program)
	if err != nil {
		return err
	}
	env, err := rootless.Pass(os.Environ())
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	return fmt.Errorf("cannot run the rest of moss: %w", syscall.Exec(path, os.Args, env))
}

// findImage is the image to run, when it is here. One that is to be pulled, or kept from being removed under
// the container, is for the full program, which then does all of the command.
func (a *App) findImage(_ context.Context, name string, o imageChoice, durable bool) (*storage.Image, error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	if o.pull != "missing" && o.pull != "never" {
		return nil, a.handOver()
	}
	img, err := storage.Resolve(cfg, name)
	if errors.Is(err, errdefs.ErrNotFound) && o.pull == "missing" {
		return nil, a.handOver()
	}
	if err == nil && durable && !storage.Pinned(cfg.Storage, img.ID) {
		return nil, a.handOver()
	}
	return img, err
}

func (a *App) inspectImage(string) (any, error) { return nil, a.handOver() }
