//go:build !moss_front

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/network/netconf"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

func newNetworkCommand(app *App) *cobra.Command {
	return group("network", "Work with networks",
		newNetworkConnectCommand(app), newNetworkCreateCommand(app), newNetworkDisconnectCommand(app), newNetworkInspectCommand(app),
		newNetworkListCommand(app), newNetworkPruneCommand(app), newNetworkReloadCommand(app), newNetworkRmCommand(app), newNetworkUpdateCommand(app),
		existsCommand(app, "NETWORK", func(e *libpod.Engine, name string) error {
			_, err := e.LookNetwork(name)
			return err
		}))
}

func newNetworkInspectCommand(app *App) *cobra.Command {
	var o inspectOptions
	var verbose bool
	cmd := &cobra.Command{
		Use: "inspect [flags] NETWORK...", Short: "Print all that is known of networks",
		Args: minArgs(1, "a network"), ValidArgsFunction: app.completeNetworks,
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			return o.print(app, args, func(ref string) (any, error) {
				d, err := engine.InspectNetwork(ref)
				if err == nil && d.Damaged != nil {
					app.Warn(d.Damaged.Error())
				}
				return d, err
			})
		},
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "print a Go template, or json")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "accepted for compatibility: everything is printed")
	return cmd
}

func newNetworkListCommand(app *App) *cobra.Command {
	var o format.Options
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List networks", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			networks, err := app.chooseNetworks(filters)
			if err != nil {
				return err
			}
			if err := networkTable().Print(app.Out, networks, o); err != nil {
				return err
			}
			for _, n := range networks {
				if n.Damaged != nil && !errors.Is(n.Damaged, errdefs.ErrUnavailable) { // the driver shows why not
					app.Warn(n.Damaged.Error())
				}
			}
			return nil
		},
	}
	o.AddFlags(cmd.Flags())
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only those that match, KEY=VALUE")
	return cmd
}

func (a *App) chooseNetworks(filters []string) ([]*netconf.Network, error) {
	engine, err := a.Engine()
	if err != nil {
		return nil, err
	}
	networks, err := engine.Networks()
	if err != nil {
		return nil, err
	}
	match, err := networkFilters(engine).Compile(filters)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(networks, func(n *netconf.Network) bool { return !match(n) }), nil
}

// networkFilters are the filters of network ls and network prune.
func networkFilters(engine *libpod.Engine) filter.Set[*netconf.Network] {
	type row = *netconf.Network
	unused := func(n row) bool {
		users, err := engine.NetworkUsers(n.Name)
		return err == nil && len(users) == 0
	}
	kind := func(n row) string {
		if n.Name == netconf.DefaultName {
			return "builtin"
		}
		return "custom"
	}
	return append(filter.Set[row]{
		{Name: "name", Match: filter.Regexp(func(n row) []string { return []string{n.Name} })},
		{Name: "id", Match: filter.Prefix(func(n row) string { return n.ID })},
		{Name: "driver", Match: filter.Any(func(n row) []string { return []string{n.Driver} })},
		{Name: "scope", Match: filter.OneOf(func(row) string { return "local" }, "local", "global", "swarm")},
		{Name: "type", Match: filter.OneOf(kind, "builtin", "custom")},
		{Name: "dangling", Match: filter.Bool(unused)},
		filter.Until(func(n row) time.Time { return n.Created }),
	}, filter.Labels(func(n row) map[string]string { return n.Labels })...)
}

func networkTable() *format.Table[*netconf.Network] {
	type row = *netconf.Network
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "ID", Header: "NETWORK ID", Short: names.Short, Value: func(n row) any { return n.ID }},
			{Name: "Name", Value: func(n row) any { return n.Name }},
			{Name: "Driver", Value: func(n row) any { return n.Driver }},
			{Name: "Scope", Value: func(row) any { return "local" }},
			{Name: "IPv4", Value: func(n row) any { _, ok := n.Subnet4(); return ok }},
			{Name: "IPv6", Value: func(n row) any { return n.IPv6Enabled }},
			{Name: "IPv6Enabled", Header: "IPV6", Value: func(n row) any { return n.IPv6Enabled }},
			{Name: "Internal", Value: func(n row) any { return n.Internal }},
			{Name: "DNSEnabled", Header: "DNS", Value: func(n row) any { return n.DNSEnabled }},
			{Name: "NetworkDNSServers", Header: "DNS SERVERS", Value: func(n row) any { return n.NetworkDNSServers }},
			{Name: "NetworkInterface", Header: "INTERFACE", Value: func(n row) any { return n.NetworkInterface }},
			{Name: "Subnets", Value: func(n row) any { return n.Subnets }},
			{Name: "Routes", Value: func(n row) any { return n.Routes }},
			{Name: "Options", Value: func(n row) any { return format.Labels(n.Options) }},
			{Name: "IPAMOptions", Header: "IPAM", Value: func(n row) any { return format.Labels(n.IPAMOptions) }},
			{Name: "Labels", Value: func(n row) any { return format.Labels(n.Labels) }},
			{Name: "Created", Value: func(n row) any { return n.Created }},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(n row) any { return n.Created.String() }},
		},
		Default: []string{"ID", "Name", "Driver", "Scope"},
		Quiet:   "Name",
	}
}

func newNetworkRmCommand(app *App) *cobra.Command {
	var force bool
	var o stopFlags
	cmd := &cobra.Command{
		Use: "rm [flags] NETWORK...", Aliases: []string{"remove"}, Short: "Remove networks",
		Args: minArgs(1, "a network"), ValidArgsFunction: app.completeNetworks,
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			opts, err := o.options(cmd)
			if err != nil {
				return err
			}
			return app.each(args, func(ref string) (string, error) {
				err := engine.RemoveNetwork(cmd.Context(), ref, force, opts.Timeout)
				if force && errors.Is(err, errdefs.ErrNotFound) {
					return "", nil
				}
				return ref, err
			})
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "remove the containers on them first; networks that do not exist are fine")
	cmd.Flags().IntVarP(&o.timeout, "time", "t", 0, "seconds to wait before killing a running container (default 10)")
	return cmd
}

func newNetworkPruneCommand(app *App) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove all networks that no container is on", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if ok, err := app.confirm(o.force, "This removes all networks that no container is on."); !ok {
				return err
			}
			return app.pruneNetworks(o.filters)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (a *App) pruneNetworks(filters []string) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	match, err := networkFilters(engine).Compile(filters)
	if err != nil {
		return err
	}
	removed, err := engine.PruneNetworks(match)
	for _, name := range removed {
		if _, err := fmt.Fprintln(a.Out, name); err != nil {
			return err
		}
	}
	return err
}

func newNetworkReloadCommand(app *App) *cobra.Command {
	var s selection
	cmd := &cobra.Command{Use: "reload [flags] CONTAINER...", Short: "Make the networks of running containers anew, with the same addresses"}
	cmd.Flags().BoolVarP(&s.all, "all", "a", false, "all containers that run")
	cmd.Flags().BoolVarP(&s.latest, "latest", "l", false, "the container that was created last")
	networked := func(c *state.Container) bool { return running(c) && c.Spec.Network.Mode == spec.NetworkBridge }
	return s.apply(app, cmd, networked, func(ctx context.Context, e *libpod.Engine, ref string) error {
		return e.ReloadNetwork(ctx, ref)
	})
}

func newNetworkUpdateCommand(app *App) *cobra.Command {
	var add, drop []string
	cmd := &cobra.Command{
		Use: "update [flags] NETWORK", Short: "Change the DNS servers of a network",
		Args: exactArgs(1, "a network"), ValidArgsFunction: app.completeNetworks,
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			added, err := addresses("dns-add", add)
			if err != nil {
				return err
			}
			dropped, err := addresses("dns-drop", drop)
			if err != nil {
				return err
			}
			err = engine.UpdateNetwork(args[0], func(n *netconf.Network) error {
				n.ChangeServers(added, dropped)
				return nil
			})
			if err == nil {
				_, err = fmt.Fprintln(app.Out, args[0])
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&add, "dns-add", nil, "`address` of a server to ask for names that no container has")
	cmd.Flags().StringSliceVar(&drop, "dns-drop", nil, "`address` of a server not to ask any more")
	return cmd
}
