//go:build !race

package sys

import (
	"syscall"
	"unsafe"

	"github.com/mosscontainers/moss/pkg/sys/origin"
)

const canConceive = true

// cloneEmbryo makes the process, which runs live on its own stack; top is the last byte of that. shares is what CLONE_CHILD_CLEARTID speaks of. The result is its id, or a negative error number.
func cloneEmbryo(flags uintptr, top, shares unsafe.Pointer, e *Embryo) (pid int)

var _ = live // for the assembler

// givenBack is the soft limit of open files, which Go's runtime has raised for itself.
func givenBack(b *Birth) {
	soft, hard := origin.Files()
	b.Rlimit(syscall.RLIMIT_NOFILE, soft, hard, named("prlimit"))
}
