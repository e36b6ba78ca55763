package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newWaitCommand(app *App) *cobra.Command {
	var s selection
	cmd := &cobra.Command{Use: "wait [flags] CONTAINER...", Short: "Wait until containers have ended and print their exit codes"}
	s.addFlags(cmd.Flags(), "l")
	var interval string
	var conditions []string
	var first bool
	cmd.Flags().StringVarP(&interval, "interval", "i", "250ms", "how often to look for what is not an end: milliseconds, or a duration such as 2s")
	cmd.Flags().StringSliceVar(&conditions, "condition", []string{"stopped"}, "what to wait for: stopped, exited, next-exit, removed, running, stopping, created; of several any")
	cmd.Flags().BoolVar(&first, "exit-first-match", false, "wait for any one of the containers")
	cmd.ValidArgsFunction = app.completeContainers(running)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		engine, err := app.Engine()
		if err != nil {
			return err
		}
		if err := libpod.CheckConditions(conditions); err != nil {
			return err
		}
		pause, err := parseInterval(interval)
		if err != nil {
			return err
		}
		match := running
		if cmd.Flags().Changed("condition") { // others may be what is waited for
			match = every
		}
		refs, err := s.refs(engine, args, match)
		if err != nil {
			return err
		}
		await := func(ctx context.Context, ref string) (string, error) {
			code, err := engine.Await(ctx, ref, conditions, pause)
			if s.ignore && errors.Is(err, errdefs.ErrNotFound) {
				return "-1", nil // as Podman prints it
			}
			return strconv.Itoa(code), err
		}
		if first {
			line, errs := libpod.First(cmd.Context(), refs, await)
			if len(errs) > 0 {
				return errors.Join(errs...)
			}
			_, err := fmt.Fprintln(app.Out, line)
			return err
		}
		// All at once: one that removes itself while another is waited for takes its exit code along.
		return app.together(refs, len(refs), func(ref string) (string, error) { return await(cmd.Context(), ref) })
	}
	return cmd
}

// parseInterval reads a duration, which is in milliseconds where no unit is given.
func parseInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, numErr := strconv.Atoi(text); numErr == nil {
		d, err = time.Duration(n)*time.Millisecond, nil
	}
	if err != nil || d <= 0 {
		return 0, errdefs.Errorf(errdefs.ErrInvalid, "invalid --interval %q: want milliseconds, or a duration such as 2s", text)
	}
	return d, nil
}
