//go:build !moss_front

package cli

import (
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/spec"
)

// networkConnectOptions are the flags of network connect.
type networkConnectOptions struct {
	ip, ip6, mac string
	aliases      []string

	driverOpts, linkLocal, links []string
	priority                     int
}

func newNetworkConnectCommand(app *App) *cobra.Command {
	var o networkConnectOptions
	cmd := &cobra.Command{
		Use: "connect [flags] NETWORK CONTAINER", Short: "Put a container on one more network, also while it runs",
		Args: exactArgs(2, "a network and a container"), ValidArgsFunction: app.completeNetworkThenContainer,
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := o.connection(args[0])
			if err != nil {
				return err
			}
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			return engine.ConnectNetwork(cmd.Context(), args[1], want)
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&o.aliases, "alias", nil, "another `name` of the container on the network")
	fs.StringVar(&o.ip, "ip", "", "`address` of IPv4 that the container has there")
	fs.StringVar(&o.ip6, "ip6", "", "`address` of IPv6 that the container has there")
	fs.StringVar(&o.mac, "mac-address", "", "hardware `address` of the container's interface")
	fs.StringArrayVar(&o.links, "link", nil, "`CONTAINER[:ALIAS]` on the network that /etc/hosts is to have, also where names are not served")
	fs.StringSliceVar(&o.driverOpts, "driver-opt", nil, "`KEY=VALUE`: com.docker.network.endpoint.ifname is the name of the container's interface")
	fs.StringSliceVar(&o.linkLocal, "link-local-ip", nil, "another `address` of the interface, of 169.254.0.0/16 or fe80::/10")
	fs.IntVar(&o.priority, "gw-priority", 0, "the network where this `number` is highest has the default route; among equals the one that the container was on first")
	return cmd
}

// connection is what the flags ask for.
func (o *networkConnectOptions) connection(network string) (spec.Connection, error) {
	c := spec.Connection{Name: network, GatewayPriority: o.priority}
	for _, option := range []struct{ key, value string }{{"ip", o.ip}, {"ip6", o.ip6}, {"mac", o.mac}} {
		if option.value == "" {
			continue
		}
		if err := c.Set(option.key, option.value); err != nil {
			return c, err
		}
	}
	for _, option := range []struct {
		key    string
		values []string
	}{{"alias", o.aliases}, {"link", o.links}, {"link-local-ip", o.linkLocal}, {"driver-opt", o.driverOpts}} {
		for _, value := range option.values {
			if err := c.Set(option.key, value); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func newNetworkDisconnectCommand(app *App) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "disconnect [flags] NETWORK CONTAINER", Short: "Take a container off a network, also while it runs",
		Args: exactArgs(2, "a network and a container"), ValidArgsFunction: app.completeNetworkThenContainer,
		RunE: func(cmd *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			return engine.DisconnectNetwork(cmd.Context(), args[1], args[0], force)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "a container that does not exist is fine")
	return cmd
}

// completeNetworkThenContainer offers networks for the first argument and containers for the second.
func (a *App) completeNetworkThenContainer(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeNetworks(cmd, args, begun)
	}
	return a.completeContainers(every)(cmd, args, begun)
}
