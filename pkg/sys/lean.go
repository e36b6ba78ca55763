package sys

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DropProgramPages gives the pages of this program's own code and constants back to the kernel, which
// reads them again from the file when they are needed. A process that has done its start-up work and
// then waits for days keeps only what waiting needs. It is a hint: failing is harmless.
func DropProgramPages() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	var errs error
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		start, end, ok := fileMapping(lines.Text())
		if !ok {
			continue
		}
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED)
		if errno != 0 {
			errs = errors.Join(errs, errno)
		}
	}
	return errs
}

// fileMapping reads a line of /proc/PID/maps (proc_pid_maps(5)) and says whether it is a read-only
// mapping of a file: dropping pages of a writable one would lose data.
func fileMapping(line string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[1][1] == 'w' || fields[4] == "0" {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	a, err1 := strconv.ParseUint(from, 16, 64)
	b, err2 := strconv.ParseUint(to, 16, 64)
	return uintptr(a), uintptr(b), err1 == nil && err2 == nil
}
