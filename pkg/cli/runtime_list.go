//go:build !moss_front

package cli

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/oci"
	"github.com/mosscontainers/moss/pkg/errdefs"
)

func (o *runtimeOptions) listCommand() *cobra.Command {
	var format string
	var quiet bool
	cmd := &cobra.Command{
		Use: "list [flags]", Short: "List containers", Args: noArgs,
		RunE: o.does(1, func(*cobra.Command, []string) error {
			r, err := o.find()
			if err != nil {
				return err
			}
			list, damaged := r.List()
			if damaged != nil {
				o.app.Warn(damaged.Error())
			}
			return o.printList(list, format, quiet)
		}),
	}
	cmd.Flags().StringVarP(&format, "format", "f", "table", `"table" or "json"`)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print ids only")
	return cmd
}

func (o *runtimeOptions) printList(list []*oci.State, format string, quiet bool) error {
	if format == "json" {
		return o.printJSON(list)
	}
	if format != "table" {
		return errdefs.Errorf(errdefs.ErrInvalid, `cannot use --format %q: want "table" or "json"`, format)
	}
	w := tabwriter.NewWriter(o.app.Out, 12, 1, 3, ' ', 0)
	if !quiet {
		fmt.Fprintln(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER")
	}
	for _, s := range list {
		if quiet {
			fmt.Fprintln(w, s.ID)
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.Pid, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return w.Flush()
}

func (o *runtimeOptions) psCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "ps [flags] ID [PS-OPTION...]", Short: "List the processes of a container", Args: minArgs(1, "the id of a container"),
		RunE: o.does(1, func(_ *cobra.Command, args []string) error {
			r, err := o.find()
			if err != nil {
				return err
			}
			pids, err := r.Processes(args[0])
			if err != nil {
				return err
			}
			switch {
			case format == "json":
				return o.printJSON(pids)
			case len(args) == 1:
				args = append(args, "-ef")
			}
			return o.printProcesses(pids, args[1:])
		}),
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVarP(&format, "format", "f", "table", `"table" or "json"`)
	return cmd
}

// printProcesses prints the lines of the host's ps(1) that are about pids.
func (o *runtimeOptions) printProcesses(pids []int, options []string) error {
	out, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot list processes: %w: %s", err, out)
	}
	column := -1
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if column < 0 {
			if column = slices.Index(fields, "PID"); column < 0 {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot list processes: ps prints no PID with these options")
			}
			fmt.Fprint(o.app.Out, line)
			continue
		}
		if len(fields) <= column {
			continue
		}
		if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
			fmt.Fprint(o.app.Out, line)
		}
	}
	return nil
}

func (o *runtimeOptions) featuresCommand() *cobra.Command {
	return &cobra.Command{
		Use: "features", Short: "Print what this runtime can do", Args: noArgs,
		RunE: o.does(1, func(*cobra.Command, []string) error { return o.printJSON(oci.Features()) }),
	}
}

func (o *runtimeOptions) specCommand() *cobra.Command {
	var bundle string
	cmd := &cobra.Command{
		Use: "spec [flags]", Short: "Write a configuration to begin with", Args: noArgs,
		RunE: o.does(1, func(*cobra.Command, []string) error { return oci.WriteExample(bundle) }),
	}
	cmd.Flags().StringVarP(&bundle, "bundle", "b", ".", "directory of the bundle")
	return cmd
}
