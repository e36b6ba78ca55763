package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
)

// newHealCommand is for monitors, whose log of such events is our standard output.
func newHealCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: libpod.HealCommand, Short: "Bring back what the network needs", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			did, err := engine.Heal(cmd.Context())
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
