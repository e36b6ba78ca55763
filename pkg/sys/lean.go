package sys

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ProgramPages are the pages of this program's own code and constants.
type ProgramPages []span

type span struct{ start, length uintptr }

// FindProgramPages reads where they are.
func FindProgramPages() (ProgramPages, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var pages ProgramPages
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if start, end, ok := fileMapping(lines.Text()); ok {
			pages = append(pages, span{start, end - start})
		}
	}
	return pages, nil
}

// Drop gives the pages back to the kernel, which reads them again from the file when they are needed. A process that has
// done its start-up work and then waits for days keeps only what waiting needs. It is a hint: failing is harmless.
func (p ProgramPages) Drop() {
	for _, s := range p {
		advise(s.start, s.length, unix.MADV_DONTNEED)
	}
}

// Split makes many small mappings of the pages. Where one is needed the kernel maps the pages around it too, sixteen of them but none of
// another mapping (do_fault_around in mm/memory.c), so a program of which little runs, here and there, would soon have most pages
// again. Advice that differs from one piece to the next is what keeps them apart; the advice itself is about reading ahead in
// files on disks, and means nothing here.
func (p ProgramPages) Split() {
	const piece = 16 << 10
	for _, s := range p {
		for at := uintptr(0); at+piece <= s.length; at += 2 * piece {
			advise(s.start+at, piece, unix.MADV_RANDOM)
		}
	}
}

func advise(start, length uintptr, advice int) {
	_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, start, length, uintptr(advice))
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
