// Generate writes the man pages and the shell completions, from the commands themselves. It is a program
// of its own so that moss does not carry what only makes its documentation.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/mosscontainers/moss/pkg/cli"
)

func main() {
	man := flag.String("man", "man", "directory for the man pages")
	completions := flag.String("completions", "completions", "directory for the shell completions")
	flag.Parse()
	root := cli.NewRoot(&cli.App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, nil)
	if err := errors.Join(writeManPages(root, *man), writeCompletions(root, *completions)); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// writeManPages writes a page of section 1 for each command: moss-run.1 and so on. Their date is
// SOURCE_DATE_EPOCH's where it is set, so that the same source always makes the same pages.
func writeManPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{
		Title: "MOSS", Section: "1", Source: "Moss", Manual: "Moss",
	}, dir)
}

func writeCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		root.GenBashCompletionFileV2(filepath.Join(dir, "moss.bash"), true),
		root.GenZshCompletionFile(filepath.Join(dir, "moss.zsh")),
		root.GenFishCompletionFile(filepath.Join(dir, "moss.fish"), true),
	)
}
