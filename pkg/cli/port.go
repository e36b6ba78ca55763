package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

func newPortCommand(app *App) *cobra.Command {
	return &cobra.Command{
		Use: "port CONTAINER [PORT[/PROTOCOL]]", Short: "Print where a container's ports are published",
		Args:              rangeArgs(1, 2, "a container, and may have a port"),
		ValidArgsFunction: app.completeContainers(running),
		RunE: func(_ *cobra.Command, args []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			c, err := engine.Lookup(args[0])
			if err != nil {
				return err
			}
			port, protocol := "", "tcp"
			if len(args) == 2 {
				port, protocol, _ = strings.Cut(args[1]+"/tcp", "/")
				protocol, _, _ = strings.Cut(protocol, "/")
			}
			found := false
			for _, p := range publishedPorts(c) {
				if port != "" && (strconv.Itoa(int(p.ContainerPort)) != port || p.Protocol != protocol) {
					continue
				}
				found = true
				ip := p.HostIP
				if ip == "" {
					ip = "0.0.0.0"
				}
				line := fmt.Sprintf("%s:%d", ip, p.HostPort)
				if port == "" {
					line = fmt.Sprintf("%d/%s -> %s", p.ContainerPort, p.Protocol, line)
				}
				if _, err := fmt.Fprintln(app.Out, line); err != nil {
					return err
				}
			}
			if port != "" && !found {
				return errdefs.Errorf(errdefs.ErrNotFound, "container %s publishes no port %s/%s; moss port %s lists those it does", c.Spec.Name, port, protocol, c.Spec.Name)
			}
			return nil
		},
	}
}
