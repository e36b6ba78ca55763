package tree

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// path names an entry below the root on the host. The root itself may be reached through a link, so it is named as what is in it.
func (t *Tree) path(below string) string {
	if below == "" || below == "." {
		return filepath.Clean(t.Root) + "/."
	}
	return filepath.Join(t.Root, below)
}

// Note tells Seen what there is at a path below the root, and of the directories that lead there. It is called before any of them is read.
func (t *Tree) Note(below string) {
	if t.Seen == nil {
		return
	}
	below = strings.TrimPrefix(filepath.Join("/", below), "/")
	for at := 0; at <= len(below); at++ {
		if at == 0 || at == len(below) || below[at] == '/' {
			t.noteOne(below[:at])
		}
	}
}

func (t *Tree) noteOne(below string) {
	info, err := os.Lstat(t.path(below))
	if err != nil {
		return // that it is not there is in the list of names above it
	}
	if info.Mode()&os.ModeSymlink != 0 {
		t.Seen.Doubt()
	}
	t.Seen.File(t.path(below), info.Sys().(*syscall.Stat_t))
}

// doubtLinks says that links decide what there is to see, if they do.
func (t *Tree) doubtLinks(targets []string) {
	for _, target := range targets {
		if !slices.ContainsFunc(t.Follow, func(path string) bool { return filepath.Join("/", path) == filepath.Join("/", target) }) {
			t.Seen.Doubt()
		}
	}
}
