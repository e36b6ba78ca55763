//go:build !moss_front

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
)

// builderPruneOptions are the flags of builder prune.
type builderPruneOptions struct {
	pruneOptions
	build.PruneOptions
	maxUsed, reserved, minFree, keep string
	verbose                          bool
	cache                            bool
}

func newBuilderPruneCommand(app *App) *cobra.Command {
	var o builderPruneOptions
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "Remove what builds remember", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			what := "This removes what builds remember, but for what images have."
			if o.All {
				what = "This removes all that builds remember."
			}
			if ok, err := app.confirm(o.force, what); !ok {
				return err
			}
			if err := o.complete(); err != nil {
				return err
			}
			return app.printTotal(app.pruneCache(cmd.Context(), &o))
		},
	}
	o.pruneOptions.addFlags(cmd)
	o.addFlags(cmd.Flags())
	return cmd
}

func (o *builderPruneOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.All, "all", "a", false, "also what images have, which frees nothing before they go")
	fs.StringVar(&o.maxUsed, "max-used-space", "", "`SIZE`, as in 10gb: remove what was used longest ago until no more is left")
	fs.StringVar(&o.reserved, "reserved-space", "", "`SIZE` that may stay in any case")
	fs.StringVar(&o.keep, "keep-storage", "", "docker's old name of --reserved-space")
	fs.StringVar(&o.minFree, "min-free-space", "", "`SIZE`: remove what was used longest ago until so much of the disk is free")
	fs.BoolVar(&o.verbose, "verbose", false, "say more of each thing that was removed")
	addBuilderFlags(fs)
	fs.BoolVar(&o.cache, "build-cache", true, "accepted for podman's sake: it is what this is about")
	fs.BoolVar(&o.cache, "external", true, "accepted for podman's sake: nothing of builds is external")
	for _, name := range []string{"keep-storage", "build-cache", "external"} {
		fs.Lookup(name).Hidden = true
	}
}

// complete reads sizes and filters.
func (o *builderPruneOptions) complete() (err error) {
	for _, size := range []struct {
		flag, text string
		to         *int64
	}{
		{"max-used-space", o.maxUsed, &o.Limits.MaxUsed},
		{"reserved-space", o.reserved, &o.Limits.Reserved},
		{"keep-storage", o.keep, &o.Limits.Reserved},
		{"min-free-space", o.minFree, &o.Limits.MinFree},
	} {
		if size.text == "" {
			continue
		}
		if *size.to, err = units.RAMInBytes(size.text); err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --%s %q: write a size such as 500mb or 10gb", size.flag, size.text)
		}
	}
	o.Match, err = cacheFilters().Compile(o.filters)
	return err
}

// cacheFilters are those of docker's and buildx's prune and du.
func cacheFilters() filter.Set[build.Entry] {
	text := func(of func(build.Entry) string) filter.Match[build.Entry] {
		return func(value string) (func(build.Entry) bool, error) {
			return func(e build.Entry) bool { return of(e) == value }, nil
		}
	}
	truth := func(of func(build.Entry) bool) filter.Match[build.Entry] {
		return func(value string) (func(build.Entry) bool, error) {
			want := value != "false" && value != "0"
			return func(e build.Entry) bool { return of(e) == want }, nil
		}
	}
	until := filter.Until(func(e build.Entry) time.Time { return e.LastUsed })
	unused := until
	unused.Name = "unused-for"
	return filter.Set[build.Entry]{
		until, unused,
		{Name: "id", Match: text(func(e build.Entry) string { return e.ID })},
		{Name: "parent", Match: text(func(e build.Entry) string { return e.Parent })},
		{Name: "type", Match: text(func(e build.Entry) string { return e.Type })},
		{Name: "description", Match: text(func(e build.Entry) string { return e.Description })},
		{Name: "inuse", Match: truth(func(e build.Entry) bool { return e.InUse })},
		{Name: "shared", Match: truth(func(e build.Entry) bool { return e.Shared })},
		{Name: "private", Match: truth(func(e build.Entry) bool { return !e.Shared })},
	}
}

// pruneCache prunes what builds remember, tells what is gone, and returns how much that was, in bytes.
func (a *App) pruneCache(ctx context.Context, o *builderPruneOptions) (int64, error) {
	engine, err := a.Engine()
	if err != nil {
		return 0, err
	}
	gone, err := build.Prune(ctx, engine, o.PruneOptions)
	if err == nil && len(gone) > 0 {
		err = a.printCache(gone, o.verbose, format.Options{})
	}
	return sizeOf(gone), err
}

// printTotal says how much pruneCache removed.
func (a *App) printTotal(size int64, err error) error {
	if err == nil {
		_, err = fmt.Fprintf(a.Out, "Total:\t%s\n", units.HumanSize(float64(size)))
	}
	return err
}

// pruneCacheToo prunes what builds remember where images are pruned. Of the filters, only those about time say something of it: with
// others it stays.
func (a *App) pruneCacheToo(ctx context.Context, filters []string, all bool) (int64, error) {
	for _, f := range filters {
		if !strings.HasPrefix(f, "until=") {
			return 0, nil
		}
	}
	o := builderPruneOptions{pruneOptions: pruneOptions{filters: filters}, PruneOptions: build.PruneOptions{All: all}}
	if err := o.complete(); err != nil {
		return 0, err
	}
	return a.pruneCache(ctx, &o)
}

func sizeOf(entries []build.Entry) (size int64) {
	for _, e := range entries {
		size += e.Size
	}
	return size
}

func newBuilderUsageCommand(app *App) *cobra.Command {
	var o format.Options
	var filters []string
	var verbose bool
	cmd := &cobra.Command{
		Use: "du [flags]", Short: "Print what builds remember, and what it takes on disk", Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return app.cacheUsage(filters, verbose, o) },
	}
	fs := cmd.Flags()
	fs.StringVar(&o.Format, "format", "", `print "json", "table", or rows of a Go template`)
	fs.StringArrayVar(&filters, "filter", nil, "only what matches, KEY=VALUE")
	fs.BoolVar(&verbose, "verbose", false, "say all of each thing")
	addBuilderFlags(fs)
	return cmd
}

func (a *App) cacheUsage(filters []string, verbose bool, o format.Options) error {
	engine, err := a.Engine()
	if err != nil {
		return err
	}
	match, err := cacheFilters().Compile(filters)
	if err != nil {
		return err
	}
	all, err := build.Usage(engine)
	if err != nil {
		return err
	}
	var shown []build.Entry
	var reclaimable int64
	for _, e := range all {
		if !match(e) {
			continue
		}
		shown = append(shown, e)
		if !e.InUse && !e.Shared {
			reclaimable += e.Size
		}
	}
	if err := a.printCache(shown, verbose, o); err != nil || o.Format != "" {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "Reclaimable:\t%s\nTotal:\t\t%s\n", units.HumanSize(float64(reclaimable)), units.HumanSize(float64(sizeOf(shown))))
	return err
}

// printCache prints a table, or with verbose a block for each entry.
func (a *App) printCache(entries []build.Entry, verbose bool, o format.Options) error {
	if !verbose || o.Format != "" {
		return cacheTable().Print(a.Out, entries, o)
	}
	for _, e := range entries {
		_, err := fmt.Fprintf(a.Out, "ID:\t\t%s\nParent:\t\t%s\nCreated at:\t%s\nLast used:\t%s\nType:\t\t%s\nDescription:\t%s\nShared:\t\t%t\nReclaimable:\t%t\nSize:\t\t%s\n\n",
			e.ID, e.Parent, e.Created.UTC().Format(time.RFC3339), e.LastUsed.UTC().Format(time.RFC3339), e.Type, term.Printable(e.Description), e.Shared, !e.InUse, units.HumanSize(float64(e.Size)))
		if err != nil {
			return err
		}
	}
	return nil
}

func cacheTable() *format.Table[build.Entry] {
	ago := func(t time.Time) string { return units.HumanDuration(time.Since(t)) + " ago" }
	return &format.Table[build.Entry]{
		Columns: []format.Column[build.Entry]{
			{Name: "ID", Value: func(e build.Entry) any { return e.ID }},
			{Name: "Parent", Value: func(e build.Entry) any { return e.Parent }},
			{Name: "Type", Header: "TYPE", Value: func(e build.Entry) any { return e.Type }},
			{Name: "CacheType", Header: "TYPE", Value: func(e build.Entry) any { return e.Type }},
			{Name: "Description", Value: func(e build.Entry) any { return e.Description }},
			{Name: "Reclaimable", Value: func(e build.Entry) any { return !e.InUse }},
			{Name: "InUse", Value: func(e build.Entry) any { return e.InUse }},
			{Name: "Shared", Value: func(e build.Entry) any { return e.Shared }},
			{Name: "Size", Value: func(e build.Entry) any { return units.HumanSize(float64(e.Size)) }},
			{Name: "CreatedAt", Value: func(e build.Entry) any { return e.Created.UTC().Format(time.RFC3339) }},
			{Name: "CreatedSince", Value: func(e build.Entry) any { return ago(e.Created) }},
			{Name: "LastUsedAt", Value: func(e build.Entry) any { return e.LastUsed.UTC().Format(time.RFC3339) }},
			{Name: "LastUsedSince", Header: "LAST ACCESSED", Value: func(e build.Entry) any { return ago(e.LastUsed) }},
		},
		Default: []string{"ID", "Reclaimable", "Size", "LastUsedSince"},
	}
}
