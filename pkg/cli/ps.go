package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/spec"
)

type psOptions struct {
	format.Options
	all, latest bool
	last        int
	filters     []string
	sort        string
	size        bool
	namespaces  bool
}

func newPsCommand(app *App) *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use: "ps [flags]", Aliases: []string{"list", "ls"}, Short: "List containers", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), app) },
	}
	fs := cmd.Flags()
	fs.BoolVarP(&o.all, "all", "a", false, "also those that do not run")
	fs.BoolVarP(&o.latest, "latest", "l", false, "only the one that was created last")
	fs.IntVarP(&o.last, "last", "n", -1, "the N that were created last")
	fs.StringArrayVarP(&o.filters, "filter", "f", nil, "only those that match, KEY=VALUE")
	o.AddFlags(fs)
	fs.StringVar(&o.sort, "sort", "created", "sort by command, created, id, image, names, runningfor, size or status")
	fs.BoolVarP(&o.size, "size", "s", false, "also how much a container's own layer holds")
	fs.BoolVar(&o.namespaces, "ns", false, "the namespaces of running containers instead")
	fs.BoolVar(&o.namespaces, "namespace", false, "same as --ns")
	_ = fs.MarkHidden("namespace") // declared on the line above
	return cmd
}

func (o *psOptions) run(ctx context.Context, app *App) error {
	engine, err := app.Engine()
	if err != nil {
		return err
	}
	if o.measures() { // in directories that only root in the namespace can read
		if err := app.enterAnyway(ctx, engine); err != nil {
			return err
		}
	}
	containers, err := engine.List()
	if err != nil {
		return err
	}
	slices.Reverse(containers) // newest first
	shown, err := o.choose(engine, containers)
	if err != nil {
		return err
	}
	if err := o.order(engine, shown); err != nil {
		return err
	}
	if err := o.table(engine).Print(app.Out, shown, o.Options); err != nil {
		return err
	}
	for _, c := range shown {
		if c.Damaged != nil {
			app.Warn(c.Damaged.Error())
		}
	}
	return nil
}

// choose is what --all, --latest, --last and --filter leave.
func (o *psOptions) choose(engine *libpod.Engine, containers []*state.Container) ([]*state.Container, error) {
	match, err := containerFilters(engine, containers).Compile(o.filters)
	if err != nil {
		return nil, err
	}
	if o.latest {
		o.last = 1
	}
	limited := o.last > 0 // 0 is no limit, for peers too
	asksForStatus := slices.ContainsFunc(o.filters, func(f string) bool {
		return strings.HasPrefix(f, "status=") || strings.HasPrefix(f, "exited=")
	})
	all := o.all || limited || asksForStatus
	shown := slices.DeleteFunc(containers, func(c *state.Container) bool {
		return !match(c) || !all && !c.State.Active() && c.Damaged == nil
	})
	if limited {
		shown = shown[:min(o.last, len(shown))]
	}
	return shown, nil
}

// order sorts by --sort.
func (o *psOptions) order(engine *libpod.Engine, shown []*state.Container) error {
	keys := map[string]func(c *state.Container) string{
		"command": func(c *state.Container) string { return strings.Join(c.Spec.Command, " ") },
		"id":      func(c *state.Container) string { return c.Spec.ID },
		"image":   func(c *state.Container) string { return imageOf(c.Spec) },
		"names":   func(c *state.Container) string { return c.Spec.Name },
		"status":  func(c *state.Container) string { return string(c.State.Status) },
	}
	switch o.sort {
	case "created", "runningfor":
		return nil // as they are
	case "size":
		return sortBySize(engine, shown)
	}
	key, ok := keys[o.sort]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot sort by %q: choose command, created, id, image, names, runningfor, size or status", o.sort)
	}
	slices.SortStableFunc(shown, func(a, b *state.Container) int { return strings.Compare(key(a), key(b)) })
	return nil
}

// table is what is printed of each container: its namespaces with --ns.
func (o *psOptions) table(engine *libpod.Engine) *format.Table[*state.Container] {
	t := psTable(engine)
	t.Columns = append(t.Columns, namespaceColumns()...)
	t.Columns = append(t.Columns, format.Column[*state.Container]{Name: "Size", Value: func(c *state.Container) any { return layerSize(engine, c) }})
	if o.namespaces {
		t.Default = namespaceTable
	}
	if o.size {
		t.Default = append(slices.Clone(t.Default), "Size")
		t.JSON = func(c *state.Container) any { return psSizedJSON(c, engine) }
	}
	return t
}

func psTable(engine *libpod.Engine) *format.Table[*state.Container] {
	type row = *state.Container
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "ID", Header: "CONTAINER ID", Short: names.Short, Value: func(c row) any { return c.Spec.ID }},
			{Name: "Image", Value: func(c row) any { return imageOf(c.Spec) }},
			{Name: "ImageID", Header: "IMAGE ID", Short: names.Short, Value: func(c row) any { return c.Spec.Image.ID }},
			{Name: "Command", Short: format.Ellipsis(17), Value: func(c row) any { return strings.Join(commandOf(c.Spec), " ") }},
			{Name: "Created", Value: func(c row) any { return ago(c.Spec.Created) }},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(c row) any { return c.Spec.Created.String() }},
			{Name: "CreatedHuman", Header: "CREATED", Value: func(c row) any { return ago(c.Spec.Created) }},
			{Name: "RunningFor", Header: "CREATED", Value: func(c row) any { return ago(c.Spec.Created) }},
			{Name: "StartedAt", Header: "STARTED AT", Value: func(c row) any { return c.State.StartedAt.Unix() }},
			{Name: "ExitedAt", Header: "EXITED AT", Value: func(c row) any { return c.State.FinishedAt.Unix() }},
			{Name: "Exited", Value: func(c row) any { return c.State.Status == state.Exited }},
			{Name: "ExitCode", Header: "EXIT CODE", Value: func(c row) any { return c.State.ExitCode }},
			{Name: "Status", Value: func(c row) any { return statusOf(c) }},
			{Name: "State", Value: func(c row) any { return string(c.State.Status) }},
			{Name: "Ports", Value: func(c row) any { return portsOf(c) }},
			{Name: "Names", Value: func(c row) any { return c.Spec.Name }},
			{Name: "Labels", Value: func(c row) any { return format.Labels(c.Spec.Labels) }},
			{Name: "Mounts", Value: func(c row) any { return strings.Join(mountsOf(c.Spec), ",") }},
			{Name: "LocalVolumes", Header: "LOCAL VOLUMES", Value: func(c row) any { return localVolumes(c.Spec) }},
			{Name: "Networks", Value: func(c row) any { return strings.Join(engine.NetworkNames(c.Spec), ",") }},
			{Name: "Pid", Header: "PID", Value: func(c row) any { return pidOf(c) }},
			{Name: "Restarts", Value: func(c row) any { return c.State.RestartCount }},
			{Name: "AutoRemove", Value: func(c row) any { return c.Spec.Remove }},
		},
		Default: []string{"ID", "Image", "Command", "Created", "Status", "Ports", "Names"},
		Quiet:   "ID",
		JSON:    func(c row) any { return psJSON(c, engine.NetworkNames(c.Spec)) },
	}
}

// psEntry is Podman's JSON object of a listed container.
type psEntry struct {
	AutoRemove bool
	Command    []string
	Created    int64
	CreatedAt  string
	Exited     bool
	ExitedAt   int64
	ExitCode   int
	ID         string `json:"Id"`
	Image      string
	ImageID    string
	IsInfra    bool
	Labels     map[string]string
	Mounts     []string
	Names      []string
	Networks   []string
	Pid        int
	Pod        string
	PodName    string
	Ports      []psPort
	Restarts   int
	Size       *psSize `json:",omitempty"`
	StartedAt  int64
	State      string
	Status     string
}

type psPort struct {
	HostIP        string `json:"host_ip"`
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

func psJSON(c *state.Container, networks []string) psEntry {
	e := psEntry{
		AutoRemove: c.Spec.Remove, Command: commandOf(c.Spec),
		Created: c.Spec.Created.Unix(), CreatedAt: ago(c.Spec.Created),
		Exited: c.State.Status == state.Exited, ExitedAt: c.State.FinishedAt.Unix(), ExitCode: c.State.ExitCode,
		ID: c.Spec.ID, Image: imageOf(c.Spec), ImageID: c.Spec.Image.ID, Labels: c.Spec.Labels,
		Mounts: mountsOf(c.Spec), Names: []string{c.Spec.Name}, Networks: networks,
		Pid: pidOf(c), Restarts: c.State.RestartCount, StartedAt: c.State.StartedAt.Unix(),
		State: string(c.State.Status), Status: statusOf(c),
	}
	for _, p := range publishedPorts(c) {
		e.Ports = append(e.Ports, psPort{p.HostIP, p.ContainerPort, p.HostPort, 1, p.Protocol})
	}
	return e
}

func imageOf(c *spec.Container) string {
	if c.Image.Rootfs != "" {
		return c.Image.Rootfs
	}
	return c.Image.Name
}

// commandOf is all that a container runs.
func commandOf(c *spec.Container) []string { return slices.Concat(c.Entrypoint, c.Command) }

// pidOf is the pid of the container's first process, 0 when there is none.
func pidOf(c *state.Container) int {
	if !c.State.Active() || c.State.Elsewhere {
		return 0
	}
	return c.State.Init.Pid
}

func ago(t time.Time) string { return units.HumanDuration(time.Since(t)) + " ago" }

// statusOf is the status as Docker words it.
func statusOf(c *state.Container) string {
	switch st := &c.State; {
	case errors.Is(c.Damaged, errdefs.ErrNewer):
		return "Unknown"
	case c.Damaged != nil:
		return "Damaged"
	case st.Unattended:
		return "Up " + units.HumanDuration(time.Since(st.StartedAt)) + " (unattended)"
	case st.Elsewhere:
		return "Up " + units.HumanDuration(time.Since(cmp.Or(st.StartedAt, c.Spec.Created))) + " (on " + st.Host + ")"
	case st.Status == state.Running:
		return "Up " + units.HumanDuration(time.Since(st.StartedAt))
	case st.Status == state.Exited && st.FinishedAt.Before(st.StartedAt): // nobody saw it end
		return fmt.Sprintf("Exited (%d)", st.ExitCode)
	case st.Status == state.Exited:
		return fmt.Sprintf("Exited (%d) %s", st.ExitCode, ago(st.FinishedAt))
	case st.Status == state.Restarting:
		return fmt.Sprintf("Restarting (%d) %s", st.ExitCode, ago(st.FinishedAt))
	}
	status := string(c.State.Status)
	return strings.ToUpper(status[:1]) + status[1:]
}

// localVolumes is how many volumes a container has.
func localVolumes(c *spec.Container) (n int) {
	for _, m := range c.Mounts.List {
		if m.Type == spec.MountVolume {
			n++
		}
	}
	return n
}

func mountsOf(c *spec.Container) []string {
	targets := []string{}
	for _, m := range c.Mounts.List {
		targets = append(targets, m.Target)
	}
	return targets
}

// statuses are ours, and those of Docker's and Podman's that no container of ours ever has: scripts ask for them.
var statuses = []string{"created", "running", "stopping", "restarting", "exited", "paused", "stopped", "removing", "dead", "unknown"}

// healthNone is what Docker and Podman say of a container without a health check: all of ours are.
const healthNone = "none"

// containerFilters are the filters of ps and of the commands that take several containers.
func containerFilters(engine *libpod.Engine, all []*state.Container) filter.Set[*state.Container] {
	type row = *state.Container
	created := func(c row) time.Time { return c.Spec.Created }
	lookup := func(ref string) (time.Time, error) {
		c, err := engine.Lookup(ref)
		if err != nil {
			return time.Time{}, err
		}
		return c.Spec.Created, nil
	}
	return append(filter.Set[row]{
		{Name: "id", Match: filter.Prefix(func(c row) string { return c.Spec.ID })},
		{Name: "name", Match: filter.Regexp(func(c row) []string { return []string{c.Spec.Name} })},
		{Name: "status", Match: filter.OneOf(func(c row) string { return string(c.State.Status) }, statuses...)},
		{Name: "exited", Match: filter.Number(func(c row) (int, bool) { return c.State.ExitCode, c.State.Status == state.Exited })},
		{Name: "ancestor", Match: fromAncestor(engine)},
		{Name: "volume", Match: filter.Any(func(c row) []string { return volumesOf(c.Spec) })},
		{Name: "network", Match: onNetwork(engine)},
		{Name: "publish", Match: filterPorts(published)},
		{Name: "expose", Match: filterPorts(func(c row) []string { return c.Spec.Exposed() })},
		{Name: "health", Match: filter.OneOf(func(row) string { return healthNone }, healthNone, "starting", "healthy", "unhealthy")},
		{Name: "before", Match: filter.Before(lookup, created)},
		{Name: "since", Match: filter.Since(lookup, created)},
		filter.Until(created),
	}, filter.Labels(func(c row) map[string]string { return c.Spec.Labels })...)
}

func volumesOf(c *spec.Container) []string {
	var list []string
	for _, m := range c.Mounts.List {
		list = append(list, m.Source, m.Target)
	}
	return list
}

// onNetwork matches the containers on a network, by any of its names.
func onNetwork(engine *libpod.Engine) filter.Match[*state.Container] {
	return func(value string) (func(*state.Container) bool, error) {
		return func(c *state.Container) bool {
			return slices.ContainsFunc(engine.NetworkNames(c.Spec), func(name string) bool { return engine.IsNetwork(name, value) })
		}, nil
	}
}
