package sys

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ProgramPages are the pages of this program's own code and constants.
type ProgramPages []span

type span struct{ start, length uintptr }

// FindProgramPages reads where they are (proc_pid_smaps(5)).
func FindProgramPages() (ProgramPages, error) {
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var pages ProgramPages
	ours := false
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			var s span
			if s, ours = fileMapping(fields); ours {
				pages = append(pages, s)
			}
		case fields[0] == "Anonymous:" && fields[1] != "0" && ours:
			// It was written before it became read-only, as what the dynamic linker has filled in is: the file has something else.
			pages = pages[:len(pages)-1]
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

// DropProgram drops all of this program's own pages: most of the memory of a short command is what starting up has touched once.
func DropProgram() { program().Drop() }

var program = sync.OnceValue(func() ProgramPages {
	pages, _ := FindProgramPages() // none, and then all stay
	return pages
})

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

// fileMapping reads the fields of the line that tells of a mapping (proc_pid_maps(5)) and says whether it is a read-only mapping of a file:
// dropping pages of a writable one would lose data.
func fileMapping(fields []string) (s span, ok bool) {
	if len(fields) < 6 || fields[1][1] == 'w' || fields[4] == "0" {
		return s, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	return span{uintptr(start), uintptr(end - start)}, err1 == nil && err2 == nil
}
