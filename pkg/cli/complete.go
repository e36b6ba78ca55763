package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/storage"
)

// completion is how cobra asks for what may stand next.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completeContainers offers the names of the containers that match. A shell wants no errors: it gets nothing then.
func (a *App) completeContainers(match func(*state.Container) bool) completion {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		engine, err := a.Engine()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		containers, err := engine.List()
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var found []string
		for _, c := range containers {
			if match(c) {
				found = append(found, c.Spec.Name)
			}
		}
		return beginning(found, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeImage offers images for the first argument; what follows is the container's.
func (a *App) completeImage(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeImages(cmd, args, begun)
}

// completeImages offers the names of the local images, whole and without localhost/ or docker.io/library/.
func (a *App) completeImages(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.Config()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	images, err := storage.ListImages(cfg.Storage)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []string
	for _, img := range images {
		for _, name := range img.Names {
			found = append(found, name)
			for _, prefix := range []string{"localhost/", "docker.io/library/"} {
				if short, ok := strings.CutPrefix(name, prefix); ok {
					found = append(found, short)
				}
			}
		}
	}
	return beginning(found, begun), cobra.ShellCompDirectiveNoFileComp
}

func (a *App) completeVolumes(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	engine, err := a.Engine()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	volumes, err := engine.Volumes()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []string
	for _, v := range volumes {
		found = append(found, v.Name)
	}
	return beginning(found, begun), cobra.ShellCompDirectiveNoFileComp
}

func (a *App) completeNetworks(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	engine, err := a.Engine()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	networks, err := engine.Networks()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var found []string
	for _, n := range networks {
		found = append(found, n.Name)
	}
	slices.Sort(found) // the same name may be in several places
	return beginning(slices.Compact(found), begun), cobra.ShellCompDirectiveNoFileComp
}

// completeObjects offers what inspect takes.
func (a *App) completeObjects(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	var found []string
	for _, complete := range []completion{a.completeContainers(every), a.completeImages, a.completeVolumes, a.completeNetworks} {
		some, _ := complete(cmd, args, begun)
		found = append(found, some...)
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

func beginning(words []string, begun string) []string {
	var found []string
	for _, w := range words {
		if strings.HasPrefix(w, begun) {
			found = append(found, w)
		}
	}
	return found
}
