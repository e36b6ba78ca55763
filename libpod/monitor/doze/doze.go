// Package doze carries the program that a monitor becomes while its container wants nothing of it: some hundred bytes, from cmd/moss-doze. A Go
// program takes a megabyte to wait. The Makefile builds it into bin/ before what carries it.
package doze

import (
	"embed"
	"fmt"
	"os"

	"github.com/mosscontainers/moss/pkg/sys"
)

//go:embed all:bin
var files embed.FS

// What its environment begins with, in this order.
const (
	envProgram = "_MOSS_DOZE"    // the path of the program to become again
	envWatch   = "_MOSS_WATCH"   // the descriptor of an epoll
	envSignals = "_MOSS_SIGNALS" // that of a signalfd of all signals
	envTold    = "_MOSS_TOLD"    // 1 when SIGTERM came
)

// Program is a memory file with it; os.ErrNotExist in a build without it.
func Program() (*os.File, error) {
	program, err := files.ReadFile("bin/moss-doze")
	if err != nil {
		return nil, err
	}
	return sys.SealedProgram("moss-doze", program)
}

// Environment is what its environment is to begin with: the descriptors of the program to become again, and those of sys.Nap.
func Environment(program, watch, signals int) []string {
	return []string{
		fmt.Sprintf("%s=/proc/self/fd/%d", envProgram, program),
		fmt.Sprintf("%s=%d", envWatch, watch),
		fmt.Sprintf("%s=%d", envSignals, signals),
		envTold + "=0",
	}
}

// Adds says whether a variable is one of those.
func Adds(name string) bool {
	return name == envProgram || name == envWatch || name == envSignals || name == envTold
}

// Told says, to who is awake again, whether SIGTERM came. Signals that a monitor ignores are ignored.
func Told() bool { return os.Getenv(envTold) == "1" }
