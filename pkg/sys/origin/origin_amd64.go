// Package origin knows what this process was started with and Go's runtime has changed since. It imports nothing, so it is initialised before package syscall, which
// raises the soft limit of open files, and tells nobody what it was.
package origin

// rlimitFiles is RLIMIT_NOFILE.
const rlimitFiles = 7

var files [2]uint64

func init() { getrlimit(rlimitFiles, &files) }

// getrlimit is getrlimit(2), which does not fail for these arguments.
func getrlimit(resource uintptr, limit *[2]uint64)

// Files are the soft and hard limits of open files.
func Files() (soft, hard uint64) { return files[0], files[1] }
