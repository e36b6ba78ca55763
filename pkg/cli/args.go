package cli

import (
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// noArgs is for commands that have flags only.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "%s takes no arguments, but got %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// exactArgs, minArgs and rangeArgs say in a sentence what is missing.
func exactArgs(n int, what string) cobra.PositionalArgs { return rangeArgs(n, n, what) }

func minArgs(n int, what string) cobra.PositionalArgs { return rangeArgs(n, -1, what) }

// maxArgs is for commands that do without, too.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "%s takes no more than %d argument, but got %q too; see %s --help", cmd.CommandPath(), n, args[n], cmd.CommandPath())
	}
}

// rangeArgs is for at least low and at most high arguments; a high of -1 is no limit.
func rangeArgs(low, high int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= low && (high < 0 || len(args) <= high) {
			return nil
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "%s needs %s; see %s --help", cmd.CommandPath(), what, cmd.CommandPath())
	}
}
