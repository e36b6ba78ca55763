//go:build !moss_front

package cli

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/storage/store"
)

// commands are all commands below moss.
func commands(app *App, _ []string) []*cobra.Command {
	all := slices.Concat(containerCommands(app), imageCommands(app), systemCommands(app))
	return append(all, newBuildCommand(app), newBuilderCommand(app), newBuildxCommand(app), newHealCommand(app), newContainerCommand(app), newNetworkCommand(app), newVolumeCommand(app), newRuntimeCommand(app))
}

// begin says that this process was a child in which containers/storage unpacks a layer, and is done.
func begin() bool {
	_ = os.Setenv(rootless.EnvFull, "1") // for when this program executes itself, as libraries do; such a name never fails
	if store.Reexec() {
		return true
	}
	quietLibraries()
	return false
}

// knows says that this program has all commands.
func knows(*cobra.Command, []string) bool { return true }

// handOver is the front program's.
func (a *App) handOver() error { return nil }
