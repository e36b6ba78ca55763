package storage

import (
	"os"
	"syscall"
)

// source is a file as it was when something was read from it. A file that was not there has Ino 0.
type source struct {
	Path  string `json:"p"`
	Size  int64  `json:"s,omitempty"`
	Ino   uint64 `json:"i,omitempty"`
	MTime int64  `json:"m,omitempty"` // nanoseconds since 1970
}

func stamp(path string) source {
	info, err := os.Stat(path)
	if err != nil {
		return source{Path: path}
	}
	st := info.Sys().(*syscall.Stat_t)
	return source{Path: path, Size: st.Size, Ino: st.Ino, MTime: st.Mtim.Nano()}
}

// fresh says whether every file still is what it was. Writers replace these files by rename, so that
// a change always shows in the inode number even where the clock stands still.
func fresh(sources []source) bool {
	for _, s := range sources {
		if stamp(s.Path) != s {
			return false
		}
	}
	return true
}
