//go:build !moss_front

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/libpod/names"
	"github.com/mosscontainers/moss/pkg/term"
	"github.com/mosscontainers/moss/storage/image"
)

func newImageTreeCommand(app *App) *cobra.Command {
	var requires bool
	cmd := &cobra.Command{
		Use: "tree [flags] IMAGE", Short: "Show the layers of an image",
		Args: exactArgs(1, "an image"), ValidArgsFunction: app.completeImage,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := app.Config()
			if err != nil {
				return err
			}
			tree, err := image.LayerTree(cfg, args[0], requires)
			if err != nil {
				return err
			}
			return printTree(app.Out, tree, requires)
		},
	}
	cmd.Flags().BoolVar(&requires, "whatrequires", false, "the layers that other images have on top of it instead")
	return cmd
}

func printTree(w io.Writer, tree *image.Tree, requires bool) error {
	nodes := tree.Children
	what := "Image Layers"
	if requires {
		what = fmt.Sprintf("Image ID: %s is the base of", names.Short(tree.ID))
	}
	for _, layer := range tree.Layers {
		nodes = append(nodes, image.TreeNode{TreeLayer: layer})
	}
	_, err := fmt.Fprintf(w, "Image ID: %s\nTags:     %v\nSize:     %s\n%s\n", names.Short(tree.ID), tree.Names, term.Size(tree.Size), what)
	return firstErr(err, printNodes(w, "", nodes))
}

func printNodes(w io.Writer, indent string, nodes []image.TreeNode) error {
	for i, node := range nodes {
		branch, below := "├── ", "│   "
		if i == len(nodes)-1 {
			branch, below = "└── ", "    "
		}
		line := fmt.Sprintf("%s%sID: %s Size: %s", indent, branch, names.Short(node.ID), term.Size(node.Size))
		if len(node.Tops) > 0 {
			line += fmt.Sprintf(" Top Layer of: %v", node.Tops)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		if err := printNodes(w, indent+below, node.Children); err != nil {
			return err
		}
	}
	return nil
}
