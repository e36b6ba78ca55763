// Package embedded carries, inside the one file that a user copies to a server, the programs that
// moss starts: the monitor, the DNS server, the uplink and the demonstration image's program. The Makefile builds them into bin/
// before it builds moss; a moss built without them says so.
package embedded

import (
	"embed"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// MonitorID identifies both monitor programs; the Makefile sets it to a digest of the files.
var MonitorID = "unknown"

//go:embed all:bin
var files embed.FS

// Monitor is the moss-monitor program: a static ELF file of a few megabytes.
func Monitor() ([]byte, error) { return program("moss-monitor") }

// RootMonitor is the moss-monitor program for real root, which can keep containers from devices.
func RootMonitor() ([]byte, error) { return program("moss-monitor-root") }

// Uplink is the moss-uplink program, which connects containers with the outside: a static ELF file.
func Uplink() ([]byte, error) { return program("moss-uplink") }

// Hello is the program of the image localhost/hello: a static ELF file.
func Hello() ([]byte, error) { return program("moss-hello") }

// DNS is the moss-dns program, the server of containers' names: a static ELF file.
func DNS() ([]byte, error) { return program("moss-dns") }

func program(name string) ([]byte, error) { return read(files, "bin/"+name) }

func read(files embed.FS, name string) ([]byte, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot find the program %s inside moss: it was built without it; build with `make build`", name)
	}
	return data, nil
}
