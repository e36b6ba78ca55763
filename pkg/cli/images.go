package cli

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/cli/filter"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage"
)

type imagesOptions struct {
	format.Options
	filters      []string
	sort         string
	all, digests bool
	history      bool // also former names
	tree         bool // platforms below images
}

func newImagesCommand(app *App, use string) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use: use + " [flags] [IMAGE]", Short: "List the images of the local store",
		Args: maxArgs(1), ValidArgsFunction: app.completeImage,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := app.Config()
			if err != nil {
				return err
			}
			rows, err := o.rows(app, cfg, args)
			if err != nil {
				return err
			}
			if o.tree {
				return app.printImageTree(cfg, rows)
			}
			return app.imageTable(cfg, o.digests, o.history).Print(app.Out, rows, o.Options)
		},
	}
	fs := cmd.Flags()
	o.AddFlags(fs)
	fs.StringArrayVarP(&o.filters, "filter", "f", nil, "only those that match, KEY=VALUE")
	fs.StringVar(&o.sort, "sort", "created", "order: created, id, repository, size or tag")
	fs.BoolVar(&o.digests, "digests", false, "show the digests too")
	fs.BoolVar(&o.history, "history", false, "show the names that images have had too")
	fs.BoolVar(&o.tree, "tree", false, "show below each image which platforms it is for")
	fs.BoolVarP(&o.all, "all", "a", false, "accepted for docker's sake: there are no images in between")
	return cmd
}

// imageRow is one name of an image; an image with several names has several rows.
type imageRow struct {
	storage.Summary
	name            string // whole, with tag or digest; "" is an image without names
	Repository, Tag string
}

func (o *imagesOptions) rows(app *App, cfg *config.Config, args []string) ([]imageRow, error) {
	all, err := storage.ListImages(cfg.Storage)
	if err != nil {
		return nil, err
	}
	match, err := imageFilters(app, cfg).Compile(o.filters)
	if err != nil {
		return nil, err
	}
	called := func(imageRow) bool { return true }
	if len(args) == 1 {
		if called, err = rowsCalled(args[0]); err != nil {
			return nil, err
		}
	}
	var rows []imageRow
	for _, img := range all {
		if img.Damaged != nil {
			app.Warn(img.Damaged.Error())
		}
		for _, r := range rowsOf(img) {
			if match(r) && called(r) {
				rows = append(rows, r)
			}
		}
	}
	if o.Quiet { // an image once
		seen := map[string]bool{}
		rows = slices.DeleteFunc(rows, func(r imageRow) bool { known := seen[r.ID]; seen[r.ID] = true; return known })
	}
	return rows, sortImages(rows, o.sort)
}

func rowsOf(img storage.Summary) []imageRow {
	if len(img.Names) == 0 {
		return []imageRow{{img, "", "<none>", "<none>"}}
	}
	var rows []imageRow
	for _, name := range img.Names {
		row := imageRow{img, name, storage.Repository(name), "<none>"}
		if !strings.Contains(name, "@") {
			row.Tag = strings.TrimPrefix(name, row.Repository+":")
		}
		rows = append(rows, row)
	}
	return rows
}

// rowsCalled finds the rows that a user means by the argument of images: a pattern of names, or the beginning of an id.
func rowsCalled(name string) (func(imageRow) bool, error) {
	named, err := matchReference(name)
	id := strings.TrimPrefix(name, "sha256:")
	return func(r imageRow) bool { return named(r) || len(id) >= 3 && strings.HasPrefix(r.ID, id) }, err
}

func sortImages(rows []imageRow, by string) error {
	orders := map[string]func(a, b imageRow) int{
		"created":    func(a, b imageRow) int { return b.Created.Compare(a.Created) },
		"id":         func(a, b imageRow) int { return cmp.Compare(a.ID, b.ID) },
		"repository": func(a, b imageRow) int { return cmp.Compare(a.Repository, b.Repository) },
		"size":       func(a, b imageRow) int { return cmp.Compare(a.Size, b.Size) },
		"tag":        func(a, b imageRow) int { return cmp.Compare(a.Tag, b.Tag) },
	}
	order, ok := orders[by]
	if !ok {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot sort by %q: it is one of created, id, repository, size, tag", by)
	}
	slices.SortStableFunc(rows, order)
	return nil
}

func (a *App) imageTable(cfg *config.Config, digests, history bool) *format.Table[imageRow] {
	type row = imageRow
	now, uses := time.Now(), a.imageUses()
	t := &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Repository", Value: func(r row) any { return r.Repository }},
			{Name: "Tag", Value: func(r row) any { return r.Tag }},
			{Name: "Digest", Value: func(r row) any { return firstDigest(r) }},
			{Name: "ID", Header: "IMAGE ID", Value: func(r row) any { return "sha256:" + r.ID }, Short: names.Short},
			{Name: "Created", Value: func(r row) any { return term.Ago(r.Summary.Created, now) }},
			{Name: "CreatedAt", Header: "CREATED AT", Value: func(r row) any { return r.Summary.Created.String() }},
			{Name: "CreatedSince", Header: "CREATED", Value: func(r row) any { return term.Ago(r.Summary.Created, now) }},
			{Name: "Size", Value: func(r row) any { return term.Size(r.Summary.Size) }},
			{Name: "Labels", Value: func(r row) any { return format.Labels(labelsOf(cfg)(r.Summary)) }},
			{Name: "History", Value: func(r row) any { return strings.Join(r.History, ", ") }},
			{Name: "Names", Value: func(r row) any { return r.Names }},
			{Name: "RepoTags", Header: "REPO TAGS", Value: func(r row) any { return repoTags(r) }},
			{Name: "RepoDigests", Header: "REPO DIGESTS", Value: func(r row) any { return storage.RepoDigests(r.Names, r.Digests) }},
			{Name: "CreatedTime", Header: "CREATED TIME", Value: func(r row) any { return r.Summary.Created.String() }},
			{Name: "VirtualSize", Header: "VIRTUAL SIZE", Value: func(r row) any { return term.Size(r.Summary.Size) }},
			{Name: "SharedSize", Header: "SHARED SIZE", Value: func(row) any { return "N/A" }}, // as docker has it: see system df -v
			{Name: "UniqueSize", Header: "UNIQUE SIZE", Value: func(row) any { return "N/A" }},
			{Name: "Dangling", Value: func(r row) any { return r.name == "" }},
			{Name: "IsDangling", Header: "DANGLING", Value: func(r row) any { return r.name == "" }},
			{Name: "IsReadOnly", Header: "R/O", Value: func(r row) any { return r.Summary.ReadOnly }},
			{Name: "Containers", Value: func(r row) any { return uses(r.ID) }},
			{Name: "ReadOnly", Header: "R/O", Value: func(r row) any { return r.Summary.ReadOnly }},
			{Name: "Id", Header: "IMAGE ID", Value: func(r row) any { return r.ID }},
		},
		Default: []string{"Repository", "Tag", "ID", "Created", "Size"},
		Quiet:   "ID",
		JSON:    func(r row) any { return imageJSON(cfg, r, uses(r.ID)) },
	}
	if digests {
		t.Default = slices.Insert(t.Default, 2, "Digest")
	}
	if history {
		t.Default = append(t.Default, "History")
	}
	return t
}

// imageUses says how many containers an image has. They are looked up once, when it is called first.
func (a *App) imageUses() func(id string) int {
	count := sync.OnceValue(func() map[string]int {
		counts := map[string]int{}
		engine, err := a.Engine()
		if err != nil {
			return counts
		}
		all, _ := engine.List() // of a damaged one nobody knows the image
		for _, c := range all {
			if c.Spec != nil {
				for _, id := range c.Spec.ImageIDs() {
					counts[id]++
				}
			}
		}
		return counts
	})
	return func(id string) int { return count()[id] }
}

// repoTags are an image's names that have a tag.
func repoTags(r imageRow) []string {
	return slices.DeleteFunc(slices.Clone(r.Names), func(name string) bool { return strings.Contains(name, "@") })
}

func firstDigest(r imageRow) string {
	if len(r.Digests) == 0 {
		return "<none>"
	}
	return r.Digests[0]
}

// imageJSON has Podman's names.
func imageJSON(cfg *config.Config, r imageRow, containers int) any {
	return struct {
		ID          string `json:"Id"`
		ParentID    string `json:"ParentId"` // nobody knows it
		RepoTags    []string
		RepoDigests []string
		Names       []string
		Digest      string
		Digests     []string
		Repository  string
		Tag         string
		Created     int64
		CreatedAt   time.Time
		Size        int64
		SharedSize  int64 // 0: see system df -v
		VirtualSize int64
		Labels      map[string]string
		Containers  int
		Dangling    bool
		ReadOnly    bool
		History     []string
	}{
		r.ID, "", repoTags(r), storage.RepoDigests(r.Names, r.Digests), r.Names, firstDigest(r), r.Digests, r.Repository, r.Tag, r.Created.Unix(), r.Created, r.Size,
		0, r.Size, labelsOf(cfg)(r.Summary), containers, r.name == "", r.ReadOnly, r.History,
	}
}

func imageFilters(app *App, cfg *config.Config) filter.Set[imageRow] {
	type row = imageRow
	uses := app.imageUses()
	created := func(r row) time.Time { return r.Summary.Created }
	labels := func(r row) map[string]string { return labelsOf(cfg)(r.Summary) }
	when := func(name string) (time.Time, error) {
		found, err := app.resolve(cfg, name)
		if err != nil {
			return time.Time{}, err
		}
		return found.Created, nil
	}
	return append(filter.Set[row]{
		{Name: "dangling", Match: filter.Bool(func(r row) bool { return r.name == "" })},
		{Name: "id", Match: func(want string) (func(row) bool, error) {
			return filter.Prefix(func(r row) string { return r.ID })(strings.TrimPrefix(want, "sha256:"))
		}},
		{Name: "reference", Match: matchReference},
		{Name: "readonly", Match: filter.Bool(func(r row) bool { return r.ReadOnly })},
		{Name: "digest", Match: filter.Any(func(r row) []string { return r.Digests })},
		{Name: "manifest", Match: filter.Bool(func(r row) bool { return r.List })},
		{Name: "containers", Match: filter.Bool(func(r row) bool { return uses(r.ID) > 0 })},
		{Name: "intermediate", Match: filter.Bool(func(row) bool { return false })}, // steps of builds are no images
		{Name: "before", All: true, Match: filter.Before(when, created)},
		{Name: "since", All: true, Match: filter.Since(when, created)},
		{Name: "after", All: true, Match: filter.Since(when, created)},
		filter.Until(created),
	}, filter.Labels(labels)...)
}

func createdAt(i storage.Summary) time.Time { return i.Created }

// labelsOf reads the image's configuration, which the listing itself does without. A damaged image has
// no labels.
func labelsOf(cfg *config.Config) func(storage.Summary) map[string]string {
	return func(i storage.Summary) map[string]string {
		raw, err := storage.ReadConfig(cfg.Storage, i.ID)
		if err != nil {
			return nil
		}
		var doc struct {
			Config struct{ Labels map[string]string } `json:"config"`
		}
		if json.Unmarshal(raw, &doc) != nil {
			return nil
		}
		return doc.Config.Labels
	}
}
