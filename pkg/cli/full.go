//go:build !moss_front

package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/build/sbom/rpmdb"
	"github.com/mosscontainers/moss/rootless"
	"github.com/mosscontainers/moss/storage/store"
)

// commands are the commands below moss: the one that args begin with, or all. To make all of them takes longer than many take to run.
func commands(app *App, args []string) []*cobra.Command {
	all := []struct {
		name string
		make func(*App) *cobra.Command
	}{
		{libpod.HealCommand, newHealCommand},
		{"artifact", newArtifactCommand},
		{"attach", newAttachCommand},
		{"build", newBuildCommand},
		{"builder", newBuilderCommand},
		{"buildx", newBuildxCommand},
		{"commit", newCommitCommand},
		{"container", newContainerCommand},
		{"create", newCreateCommand},
		{"diff", newDiffCommand},
		{"exec", newExecCommand},
		{"history", newHistoryCommand},
		{"image", newImageCommand},
		{"images", func(app *App) *cobra.Command { return newImagesCommand(app, "images") }},
		{"import", newImportCommand},
		{"info", newInfoCommand},
		{"inspect", newInspectCommand},
		{"kill", newKillCommand},
		{"load", newLoadCommand},
		{"login", newLoginCommand},
		{"logout", newLogoutCommand},
		{"logs", newLogsCommand},
		{"manifest", newManifestCommand},
		{"network", newNetworkCommand},
		{"port", newPortCommand},
		{"ps", newPsCommand},
		{"pull", newPullCommand},
		{"push", newPushCommand},
		{"rename", newRenameCommand},
		{"restart", newRestartCommand},
		{"rm", newRmCommand},
		{"rmi", func(app *App) *cobra.Command { return newRmiCommand(app, "rmi") }},
		{"run", newRunCommand},
		{"runtime", newRuntimeCommand},
		{"save", newSaveCommand},
		{"search", newSearchCommand},
		{"start", newStartCommand},
		{"stop", newStopCommand},
		{"system", newSystemCommand},
		{"tag", newTagCommand},
		{"unshare", newUnshareCommand},
		{"untag", newUntagCommand},
		{"version", newVersionCommand},
		{"volume", newVolumeCommand},
		{"wait", newWaitCommand},
	}
	var made []*cobra.Command
	for _, c := range all {
		if len(args) > 0 && args[0] == c.name {
			return []*cobra.Command{c.make(app)}
		}
	}
	for _, c := range all {
		made = append(made, c.make(app))
	}
	return made
}

// begin says that this process was a child in which containers/storage unpacks a layer, or one that reads a database of an image, and is done.
func begin() bool {
	_ = os.Setenv(rootless.EnvFull, "1") // for when this program executes itself, as libraries do; such a name never fails
	if store.Reexec() || rpmdb.Main() {
		return true
	}
	quietLibraries()
	return false
}

// knows says that this program has all commands.
func knows(*cobra.Command, []string) bool { return true }

// handOver is the front program's.
func (a *App) handOver() error { return nil }
