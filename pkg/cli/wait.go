package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
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
			return app.first(cmd.Context(), refs, await)
		}
		// All at once: one that removes itself while another is waited for takes its exit code along.
		return app.together(refs, len(refs), func(ref string) (string, error) { return await(cmd.Context(), ref) })
	}
	return cmd
}

// first does something with all of some containers side by side, and prints what comes of the one that is done first.
func (a *App) first(ctx context.Context, refs []string, do func(ctx context.Context, ref string) (string, error)) error {
	var working sync.WaitGroup
	defer working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		line string
		err  error
	}
	results := make(chan result, len(refs)) // nobody has to be there to take them
	for _, ref := range refs {
		working.Go(func() {
			line, err := do(ctx, ref)
			results <- result{line, err}
		})
	}
	var errs []error
	for range refs {
		r := <-results
		if r.err == nil {
			_, err := fmt.Fprintln(a.Out, r.line)
			return err
		}
		errs = append(errs, r.err)
	}
	return errors.Join(errs...)
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
