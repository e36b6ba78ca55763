package sys

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Born is when a file was made, or, on file systems that do not keep that, when it was last changed.
func Born(path string) (time.Time, error) {
	var stx unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BTIME|unix.STATX_MTIME, &stx); err != nil {
		return time.Time{}, fmt.Errorf("cannot tell when %s was made: %w", path, err)
	}
	at := stx.Mtime
	if stx.Mask&unix.STATX_BTIME != 0 {
		at = stx.Btime
	}
	return time.Unix(at.Sec, int64(at.Nsec)), nil
}
