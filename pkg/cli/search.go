//go:build !moss_front

package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/storage/image"
)

type searchOptions struct {
	transferOptions
	format.Options
	filters          []string
	limit            int
	tags, compatible bool
}

// maxSearched is how many results docker's registry gives, and what peers allow.
const maxSearched = 100

func newSearchCommand(app *App) *cobra.Command {
	var o searchOptions
	cmd := &cobra.Command{
		Use: "search [flags] [REGISTRY/]TERM", Short: "Look for images in registries",
		Args: exactArgs(1, "what to look for"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(app, cmd.Flags()); err != nil {
				return err
			}
			if o.limit < 0 {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --limit %d: it is a number of results", o.limit)
			}
			if o.limit > maxSearched && !o.tags {
				return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --limit %d: registries give at most %d results", o.limit, maxSearched)
			}
			if o.tags {
				return o.listTags(cmd.Context(), app, args[0])
			}
			return o.search(cmd.Context(), app, args[0])
		},
	}
	fs := cmd.Flags()
	o.addRegistryFlags(fs)
	fs.StringVar(&o.Creds, "creds", "", "credentials for this registry, USER:PASSWORD")
	fs.StringArrayVarP(&o.filters, "filter", "f", nil, "only those that match: is-official, is-automated, stars=NUMBER")
	fs.StringVar(&o.Format, "format", "", `print "json", "table", or rows of a Go template ("table TEMPLATE" with a heading)`)
	fs.BoolVar(&o.NoTrunc, "no-trunc", false, "do not shorten what is printed")
	fs.IntVar(&o.limit, "limit", 0, "at most so many results of each registry (default 25)")
	fs.BoolVar(&o.tags, "list-tags", false, "list the tags of this repository")
	fs.BoolVar(&o.compatible, "compatible", false, "show stars, official and automated too, as docker does")
	return cmd
}

func (o *searchOptions) asked() image.SearchOptions {
	return image.SearchOptions{Registry: o.Registry, Limit: o.limit}
}

func (o *searchOptions) search(ctx context.Context, app *App, term string) error {
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	match, err := searchFilters().Compile(withValues(o.filters))
	if err != nil {
		return err
	}
	searched, err := image.Search(ctx, cfg, term, o.asked())
	if err != nil {
		return err
	}
	app.Warn(searched.Warnings...)
	found := slices.DeleteFunc(searched.Images, func(f image.Found) bool { return !match(f) })
	return searchTable(o.compatible).Print(app.Out, found, o.Options)
}

// withValues lets people write is-official for is-official=true, as podman does.
func withValues(filters []string) []string {
	var whole []string
	for _, f := range filters {
		if f == "is-official" || f == "is-automated" {
			f += "=true"
		}
		whole = append(whole, f)
	}
	return whole
}

func searchFilters() filter.Set[image.Found] {
	type found = image.Found
	return filter.Set[found]{
		{Name: "is-official", Match: filter.Bool(func(f found) bool { return f.Official })},
		{Name: "is-automated", Match: filter.Bool(func(f found) bool { return f.Automated })},
		{Name: "stars", Match: filter.AtLeast(func(f found) int { return f.Stars })},
	}
}

// searchTable has podman's fields, and docker's names for them.
func searchTable(compatible bool) *format.Table[image.Found] {
	type row = image.Found
	ok := func(yes bool) string {
		if yes {
			return "[OK]"
		}
		return ""
	}
	t := &format.Table[row]{
		JSON: func(r row) any {
			return struct {
				Index, Name, Description string
				Stars                    int
				Official, Automated, Tag string
			}{r.Index, r.Name, r.Description, r.Stars, ok(r.Official), ok(r.Automated), ""}
		},
		Columns: []format.Column[row]{
			{Name: "Index", Value: func(r row) any { return r.Index }},
			{Name: "Name", Value: func(r row) any { return r.Name }},
			{Name: "Description", Value: func(r row) any { return r.Description }, Short: format.Ellipsis(60)},
			{Name: "Stars", Value: func(r row) any { return r.Stars }},
			{Name: "Official", Value: func(r row) any { return ok(r.Official) }},
			{Name: "Automated", Value: func(r row) any { return ok(r.Automated) }},
			{Name: "StarCount", Header: "STARS", Value: func(r row) any { return r.Stars }},
			{Name: "IsOfficial", Header: "OFFICIAL", Value: func(r row) any { return ok(r.Official) }},
			{Name: "IsAutomated", Header: "AUTOMATED", Value: func(r row) any { return ok(r.Automated) }},
			{Name: "Tag", Value: func(row) any { return "" }},
		},
		Default: []string{"Name", "Description"},
		Quiet:   "Name",
	}
	if compatible {
		t.Default = []string{"Name", "Description", "Stars", "Official", "Automated"}
	}
	return t
}

// repositoryTag is one tag of a repository.
type repositoryTag struct{ Name, Tag string }

// repositoryTags is an object of search --list-tags --format json.
type repositoryTags struct {
	Name string
	Tags []string
}

func (o *searchOptions) listTags(ctx context.Context, app *App, name string) error {
	if len(o.filters) > 0 {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use --filter with --list-tags: tags have neither stars nor makers")
	}
	cfg, err := app.Config()
	if err != nil {
		return err
	}
	repository, tags, err := image.RemoteTags(ctx, cfg, name, o.asked())
	if err != nil {
		return err
	}
	if o.Format == "json" {
		return format.One(app.Out, []repositoryTags{{repository, tags}}, o.Format)
	}
	var rows []repositoryTag
	for _, tag := range tags {
		rows = append(rows, repositoryTag{repository, tag})
	}
	return tagTable().Print(app.Out, rows, o.Options)
}

func tagTable() *format.Table[repositoryTag] {
	type row = repositoryTag
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Name", Value: func(r row) any { return r.Name }},
			{Name: "Tag", Value: func(r row) any { return r.Tag }},
		},
		Default: []string{"Name", "Tag"},
		Quiet:   "Tag",
	}
}
