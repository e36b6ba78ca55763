//go:build moss_front

package embedded

import "embed"

//go:embed all:full
var full embed.FS

// Full is moss with all its commands. Only the front program, which has the quick ones alone, carries it.
func Full() ([]byte, error) { return read(full, "full/moss-full") }
