// Package nsenter joins the user's namespace before the Go runtime starts. Importing it, which only
// cmd/moss and rootless do, is all that is needed; README.md says how it works.
package nsenter

/*
#cgo CFLAGS: -Wall -Wextra -O2
#cgo moss_front CFLAGS: -DMOSS_FRONT
#cgo moss_front LDFLAGS: -Wl,--wrap=pthread_create
#include <stdlib.h>
#include "nsenter.h"
*/
import "C"

import (
	"unsafe"
)

// Descriptors that the holder is started with; see nsenter.h for what each is.
const (
	HolderProgram = C.MOSS_HOLDER_PROGRAM
	HolderExit    = C.MOSS_HOLDER_EXIT_R
)

// Descriptors that the door-keeper of an uplink is started with; see nsenter.h for what each is.
const (
	DoorNetNS = C.MOSS_DOOR_NETNS
	DoorExit  = C.MOSS_DOOR_EXIT
	DoorTap   = C.MOSS_DOOR_TAP
)

// EnvDoor is the variable that makes a process that door-keeper.
const EnvDoor = "_MOSS_UPLINK"

// Entry is what the constructor did.
type Entry struct {
	Joined bool // this process is inside the user's namespace; the full program is in a mount namespace of its own too
	Holder int  // pid of the holder, 0 when none was found
	LockFD int  // users.lock held shared, -1 when it was not opened
	Errno  int  // of what failed after joining, 0 when nothing did
	UID    int  // effective user id before joining
	GID    int
	// Monitor is the pid of the monitor that was started from the holder's program, 0 without; Control is its control socket.
	Monitor, Control int
	Fresh            uint32 // the namespaces that the monitor was told to make first, as Fresh tells them
	// NoFull is the errno of why the front program could not become the full one, 0 where it did not try.
	NoFull int
}

// Result is what the constructor did in this process.
func Result() Entry {
	e := &C.moss_entry
	return Entry{
		Joined: e.joined != 0,
		Holder: int(e.holder),
		LockFD: int(e.lock_fd),
		Errno:  int(e.error),
		UID:    int(e.uid),
		GID:    int(e.gid),

		Monitor: int(e.monitor), Control: int(e.control), Fresh: uint32(e.fresh),
		NoFull: int(e.no_full),
	}
}

// Wants says whether the constructor would enter the namespace for this command line (args[0] is the
// program). The command line's own table of commands is checked against it by a test.
func Wants(args []string) bool {
	argv, free := words(args)
	defer free()
	return C.moss_wants(C.int(len(args)), &argv[0]) != 0
}

// Fresh is the constructor's guess of the namespaces that `moss run` with this command line will make for its container, as flags of clone(2); 0
// where it makes none. What the engine makes of the same flags is checked against it by a test.
func Fresh(args []string) uint32 {
	argv, free := words(args)
	defer free()
	return uint32(C.moss_fresh(C.int(len(args)), &argv[0]))
}

// words are args for C, with a NULL after them.
func words(args []string) (argv []*C.char, free func()) {
	argv = make([]*C.char, len(args)+1)
	for i, arg := range args {
		argv[i] = C.CString(arg)
	}
	return argv, func() {
		for _, word := range argv {
			C.free(unsafe.Pointer(word))
		}
	}
}

// Quick says whether the front program has a command itself, which is one word or the first of two. Its own table of commands is checked
// against it by a test.
func Quick(command, next string) bool {
	words := [2]*C.char{C.CString(command), C.CString(next)}
	defer C.free(unsafe.Pointer(words[0]))
	defer C.free(unsafe.Pointer(words[1]))
	return C.moss_is_quick(words[0], words[1]) != 0
}
