package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
)

// newHealCommand is for monitors, whose log of such events is our standard output.
func newHealCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: libpod.HealCommand, Short: "Bring back what the network needs", Hidden: true, Args: cobra.MaximumNArgs(healOwnArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			did, err := heal(cmd.Context(), engine, args)
			now := time.Now().Format(time.RFC3339)
			for _, event := range did {
				fmt.Fprintln(app.Out, now, event) // a full disk must not keep anybody from it
			}
			if err != nil {
				return fmt.Errorf("%s %w", now, err)
			}
			return nil
		},
	}
}

// healOwnArgs are the mode of a container's own network, and the file that names its uplink.
const healOwnArgs = 2

func heal(ctx context.Context, engine *libpod.Engine, args []string) ([]string, error) {
	if len(args) < healOwnArgs {
		return engine.Heal(ctx)
	}
	return engine.HealOwn(ctx, args[0], args[1])
}
