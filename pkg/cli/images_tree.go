//go:build !moss_front

package cli

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/config"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage"
)

// printImageTree prints images with the platforms that they are for, as docker images --tree does.
func (a *App) printImageTree(cfg *config.Config, rows []imageRow) error {
	all, err := storage.ListImages(cfg.Storage)
	if err != nil {
		return err
	}
	sizes := map[string]int64{}
	for _, img := range all {
		sizes[img.ID] = img.Size
	}
	w := tabwriter.NewWriter(a.Out, 12, 1, 3, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tID\tDISK USAGE")
	for _, row := range rows {
		fmt.Fprintf(w, "%s:%s\t%s\t%s\n", row.Repository, row.Tag, names.Short(row.ID), term.Size(row.Size))
		for i, one := range platformsIn(cfg, row) {
			branch := "├─"
			if i == one.of-1 {
				branch = "└─"
			}
			size, id := "-", "-" // it is only listed
			if one.ID != "" {
				size, id = term.Size(sizes[one.ID]), names.Short(one.ID)
			}
			fmt.Fprintf(w, "%s %s\t%s\t%s\n", branch, term.Printable(one.Platform.String()), id, size)
		}
	}
	return w.Flush()
}

// branch is one of the platforms of an image.
type branch struct {
	storage.Listed
	of int // how many there are
}

// platformsIn are those of a list, or the one of an image. Of what is damaged there are none.
func platformsIn(cfg *config.Config, row imageRow) []branch {
	var listed []storage.Listed
	if row.List {
		listed, _ = storage.ListedIn(cfg.Storage, row.ID)
	} else if raw, err := storage.ReadConfig(cfg.Storage, row.ID); err == nil {
		one := storage.Listed{ID: row.ID}
		if json.Unmarshal(raw, &one.Platform) == nil {
			listed = append(listed, one)
		}
	}
	var all []branch
	for _, one := range listed {
		all = append(all, branch{one, len(listed)})
	}
	return all
}
