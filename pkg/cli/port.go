package cli

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

// portOptions are the flags of port.
type portOptions struct{ all, latest bool }

func newPortCommand(app *App) *cobra.Command {
	o := &portOptions{}
	cmd := &cobra.Command{
		Use: "port CONTAINER [PORT[/PROTOCOL]]", Short: "Print where a container's ports are published",
		Args:              rangeArgs(0, 2, "at most a container and a port"),
		ValidArgsFunction: app.completeContainers(running),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(app, cmd, args) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "of all running containers")
	cmd.Flags().BoolVarP(&o.latest, "latest", "l", false, "of the container that was created last")
	return cmd
}

func (o *portOptions) run(app *App, cmd *cobra.Command, args []string) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	if o.all {
		if len(args) > 0 || o.latest {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --all together with a container, a port or --latest")
		}
		return app.allPorts(engine)
	}
	if !o.latest {
		if err := rangeArgs(1, 2, "a container, and may have a port")(cmd, args); err != nil {
			return err
		}
	}
	c, asked, err := o.choose(engine, args)
	if err != nil {
		return err
	}
	return app.ports(c, asked)
}

// choose finds the container, and the port asked for if there is one.
func (o *portOptions) choose(engine *libpod.Engine, args []string) (c *state.Container, asked string, err error) {
	if !o.latest {
		c, err = engine.Lookup(args[0])
		return c, strings.Join(args[1:], ""), err
	}
	if len(args) > 1 {
		return nil, "", errdefs.Errorf(errdefs.ErrInvalid, "cannot use --latest together with a container")
	}
	all, err := engine.List()
	if err == nil && len(all) == 0 {
		err = errdefs.Errorf(errdefs.ErrNotFound, "there is no container")
	}
	if err != nil {
		return nil, "", err
	}
	return all[len(all)-1], strings.Join(args, ""), nil
}

// allPorts prints the ports of all running containers, after their ids.
func (a *App) allPorts(engine *libpod.Engine) error {
	all, err := engine.List()
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Damaged != nil || !c.State.Active() {
			continue
		}
		for _, p := range publishedPorts(c) {
			if _, err := fmt.Fprintf(a.Out, "%s\t%s -> %s\n", names.Short(c.Spec.ID), portName(p), hostPort(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ports prints where a container's ports are published: all of them, or the one that was asked for.
func (a *App) ports(c *state.Container, asked string) error {
	if asked != "" && !strings.Contains(asked, "/") {
		asked += "/tcp"
	}
	found := false
	for _, p := range publishedPorts(c) {
		if asked != "" && portName(p) != asked {
			continue
		}
		found = true
		line := hostPort(p)
		if asked == "" {
			line = portName(p) + " -> " + line
		}
		if _, err := fmt.Fprintln(a.Out, line); err != nil {
			return err
		}
	}
	if asked != "" && !found {
		return errdefs.Errorf(errdefs.ErrNotFound, "container %s publishes no port %s; moss port %s lists those it does", c.Spec.Name, asked, c.Spec.Name)
	}
	return nil
}

// portName is a port of the container: "80/tcp".
func portName(p spec.PortMapping) string {
	return strconv.Itoa(int(p.ContainerPort)) + "/" + p.Protocol
}

// hostPort is where the port is published; one that will be chosen at the start is 0.
func hostPort(p spec.PortMapping) string {
	return net.JoinHostPort(cmp.Or(p.HostIP, "0.0.0.0"), cmp.Or(p.HostPorts(), "0"))
}
