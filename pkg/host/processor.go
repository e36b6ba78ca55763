package host

import (
	"runtime"
	"slices"
)

// kin are the older architectures whose programs a processor runs too, in the words of images.
var kin = map[string][]string{"amd64": {"386"}, "arm64": {"arm"}}

// Kin says whether this machine's processor runs programs of another architecture by itself. The kernel has an entry point of their own for them.
func Kin(architecture string) bool { return slices.Contains(kin[runtime.GOARCH], architecture) }
