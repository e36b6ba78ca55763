package seen

import (
	"os"
	"syscall"
	"time"
)

// settling is how long a file must not have changed before its state is relied upon: within a tick of the kernel's clock it could
// be written once more and look the same. Network file systems have other clocks and coarser ones.
const settling = time.Second

// Stamp names a file in one state. A change of content, attributes or owner that leaves the times as they were is not possible
// without the super-user (ctime).
type Stamp struct{ Dev, Ino, Size, Mtime, Ctime uint64 }

// StampOf is the state of a file.
func StampOf(st *syscall.Stat_t) Stamp {
	return Stamp{st.Dev, st.Ino, uint64(st.Size), nanos(st.Mtim), nanos(st.Ctim)}
}

func nanos(t syscall.Timespec) uint64 { return uint64(t.Sec)*1e9 + uint64(t.Nsec) }

// Settled says whether the state is older than a moment by so much that no later one can look like it.
func (s Stamp) Settled(now time.Time) bool { return int64(s.Ctime) <= now.Add(-settling).UnixNano() }

// StampAt is the state of what is at a path, a link itself.
func StampAt(path string) (Stamp, error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return Stamp{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return StampOf(&st), nil
}
