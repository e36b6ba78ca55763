package sys

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Machine is what the kernel says of the machine: sysinfo(2).
type Machine struct {
	Uptime                                 time.Duration // whole seconds
	MemTotal, MemFree, SwapTotal, SwapFree int64         // bytes
}

// ReadMachine asks the kernel.
func ReadMachine() (Machine, error) {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return Machine{}, os.NewSyscallError("sysinfo", err)
	}
	bytes := func(n uint64) int64 { return int64(n) * int64(s.Unit) } //nolint:gosec // no machine has more
	return Machine{
		Uptime:   time.Duration(s.Uptime) * time.Second,
		MemTotal: bytes(s.Totalram), MemFree: bytes(s.Freeram), SwapTotal: bytes(s.Totalswap), SwapFree: bytes(s.Freeswap),
	}, nil
}

// FsUse is the size of the file system of a path, and how much of it is used, in bytes.
func FsUse(path string) (size, used int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Blocks) * st.Bsize, int64(st.Blocks-st.Bfree) * st.Bsize, nil //nolint:gosec // no file system has more
}
