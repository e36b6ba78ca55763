//go:build !moss_front

package cli

import (
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/build"
	"github.com/mosscontainers/moss/pkg/cli/format"
	"github.com/mosscontainers/moss/storage"
)

// printUsageOfEach prints what each image, container and volume and each thing that builds remember takes, as docker system df -v does.
func (a *App) printUsageOfEach(u *libpod.Usage, cache []build.Entry) error {
	for _, part := range []struct {
		title string
		print func() error
	}{
		{"Images space usage:", func() error {
			return imageUsageTable(u.Containers).Print(a.Out, usedImages(u.Images.PerImage), format.Options{})
		}},
		{"\nContainers space usage:", func() error { return containerUsageTable().Print(a.Out, u.Containers, format.Options{}) }},
		{"\nLocal Volumes space usage:", func() error { return volumeUsageTable().Print(a.Out, u.Volumes, format.Options{}) }},
		{"\nBuild cache usage: " + units.HumanSize(float64(sizeOf(cache))), func() error { return a.printCache(cache, false, format.Options{}) }},
	} {
		if _, err := fmt.Fprintf(a.Out, "%s\n\n", part.title); err != nil {
			return err
		}
		if err := part.print(); err != nil {
			return err
		}
	}
	return nil
}

// usedImage is one name of an image and what the image takes.
type usedImage struct {
	imageRow
	storage.ImageUsage
}

func usedImages(images []storage.ImageUsage) []usedImage {
	var rows []usedImage
	for _, img := range images {
		for _, row := range rowsOf(img.Summary) {
			rows = append(rows, usedImage{row, img})
		}
	}
	return rows
}

func imageUsageTable(containers []libpod.ContainerUsage) *format.Table[usedImage] {
	type row = usedImage
	users := map[string]int{}
	for _, c := range containers {
		for _, id := range c.Spec.ImageIDs() {
			users[id]++
		}
	}
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Repository", Value: func(r row) any { return r.Repository }},
			{Name: "Tag", Value: func(r row) any { return r.Tag }},
			{Name: "ID", Header: "IMAGE ID", Short: names.Short, Value: func(r row) any { return r.ImageUsage.ID }},
			{Name: "Created", Value: func(r row) any { return ago(r.ImageUsage.Created) }},
			{Name: "Size", Value: func(r row) any { return units.HumanSize(float64(r.Shared + r.Unique)) }},
			{Name: "SharedSize", Header: "SHARED SIZE", Value: func(r row) any { return units.HumanSize(float64(r.Shared)) }},
			{Name: "UniqueSize", Header: "UNIQUE SIZE", Value: func(r row) any { return units.HumanSize(float64(r.Unique)) }},
			{Name: "Containers", Value: func(r row) any { return users[r.ImageUsage.ID] }},
		},
		Default: []string{"Repository", "Tag", "ID", "Created", "Size", "SharedSize", "UniqueSize", "Containers"},
	}
}

func containerUsageTable() *format.Table[libpod.ContainerUsage] {
	type row = libpod.ContainerUsage
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "ID", Header: "CONTAINER ID", Short: names.Short, Value: func(r row) any { return r.Spec.ID }},
			{Name: "Image", Value: func(r row) any { return imageOf(r.Spec) }},
			{Name: "Command", Short: format.Ellipsis(17), Value: func(r row) any { return strings.Join(commandOf(r.Spec), " ") }},
			{Name: "LocalVolumes", Header: "LOCAL VOLUMES", Value: func(r row) any { return localVolumes(r.Spec) }},
			{Name: "Size", Value: func(r row) any { return units.HumanSize(float64(r.Size)) }},
			{Name: "Created", Value: func(r row) any { return ago(r.Spec.Created) }},
			{Name: "Status", Value: func(r row) any { return statusOf(r.Container) }},
			{Name: "Names", Value: func(r row) any { return r.Spec.Name }},
		},
		Default: []string{"ID", "Image", "Command", "LocalVolumes", "Size", "Created", "Status", "Names"},
	}
}

func volumeUsageTable() *format.Table[libpod.VolumeUsage] {
	type row = libpod.VolumeUsage
	return &format.Table[row]{
		Columns: []format.Column[row]{
			{Name: "Name", Header: "VOLUME NAME", Value: func(r row) any { return r.Name }},
			{Name: "Links", Value: func(r row) any { return r.Users }},
			{Name: "Size", Value: func(r row) any { return units.HumanSize(float64(r.Size)) }},
		},
		Default: []string{"Name", "Links", "Size"},
	}
}
