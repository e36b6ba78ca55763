package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/pkg/cli/format"
)

func newInfoCommand(app *App) *cobra.Command {
	var template string
	cmd := &cobra.Command{
		Use: "info [flags]", Short: "Print what this host can do and where things are", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			engine, err := app.Engine()
			if err != nil {
				return err
			}
			info, err := engine.Info(cmd.Context(), Version)
			if err != nil {
				return err
			}
			if template != "" {
				return format.One(app.Out, info, template)
			}
			return app.printInfo(info)
		},
	}
	cmd.Flags().StringVarP(&template, "format", "f", "", "print a Go template, or json")
	return cmd
}

func (a *App) printInfo(info *libpod.Info) error {
	h := &info.Host
	lines := []string{
		"host:",
		"  os: " + h.OS + "/" + h.Arch + ", kernel " + h.Kernel,
		fmt.Sprintf("  cpus: %d", h.CPUs),
		"  hostname: " + h.Hostname,
		fmt.Sprintf("  cgroups: %s, controllers: %s", orNone(h.CgroupsVersion), orNone(strings.Join(h.CgroupControl, " "))),
		"  runtimeDir: " + h.RuntimeDir,
		fmt.Sprintf("  rootless: %t", h.Security.Rootless),
	}
	if h.Security.SingleID {
		lines = append(lines, "  ids: one only (no ranges in /etc/subuid and /etc/subgid): "+singleIDHint)
	} else if len(h.IDMappings.UIDMap) > 0 {
		lines = append(lines, "  ids:")
		for _, r := range h.IDMappings.UIDMap {
			lines = append(lines, fmt.Sprintf("    uid %d on: %d ids from %d", r.ContainerID, r.Size, r.HostID))
		}
		for _, r := range h.IDMappings.GIDMap {
			lines = append(lines, fmt.Sprintf("    gid %d on: %d ids from %d", r.ContainerID, r.Size, r.HostID))
		}
	}
	lines = append(lines, "  helpers:")
	for _, name := range slices.Sorted(maps.Keys(h.Helpers)) {
		lines = append(lines, "    "+name+": "+orNone(h.Helpers[name]))
	}
	lines = append(lines, "  uplink: "+describeUplink(&h.Uplink), "  network log: "+h.Uplink.Log)
	for _, event := range h.Uplink.Events {
		lines = append(lines, "    "+event)
	}
	s := &info.Store
	lines = append(lines,
		"store:",
		"  graphRoot: "+s.GraphRoot,
		"  runRoot: "+s.RunRoot,
		"  driver: "+s.GraphDriverName,
		fmt.Sprintf("  containers: %d, of which %d run", s.ContainerStore.Number, s.ContainerStore.Running),
		"version: "+info.Version.Version+", "+info.Version.GoVersion,
	)
	_, err := fmt.Fprintln(a.Out, strings.Join(lines, "\n"))
	return err
}

// describeUplink says what connects containers with the outside, and what does so now.
func describeUplink(u *libpod.UplinkInfo) string {
	text := u.Chosen
	switch {
	case u.Problem != "":
		text = "none: " + u.Problem
	case u.Path == "":
		text += " (built in)"
	}
	if u.Running != "" {
		text += fmt.Sprintf("; %s runs (process %d)", u.Running, u.Pid)
	}
	return text
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func newVersionCommand(app *App) *cobra.Command {
	var template string
	cmd := &cobra.Command{
		Use: "version [flags]", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := libpod.VersionOf(Version)
			if template != "" {
				// Scripts ask for both of Docker's: there is no server, so both are this program.
				return format.One(app.Out, struct{ Client, Server libpod.VersionInfo }{v, v}, template)
			}
			_, err := fmt.Fprintf(app.Out, "Client:       Moss\nVersion:      %s\nGo Version:   %s\nOS/Arch:      %s\n", v.Version, v.GoVersion, v.OSArch)
			return err
		},
	}
	cmd.Flags().StringVarP(&template, "format", "f", "", "print a Go template, or json")
	return cmd
}
