package dns

import (
	"context"
	"os"
	"strconv"

	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Options say which server is wanted.
type Options struct {
	// RunDir is the network's run directory: see Dir.
	RunDir string
	// NetNS is the user's network namespace, in which the bridges are.
	NetNS *os.File
	// ExitPipe is the path of a pipe: the server ends when nobody has it open for writing any more.
	ExitPipe string
	// Program is the content of the program moss-dns.
	Program func() ([]byte, error)
	// Outlive, when not nil, is told the pid of a new server: it serves all of the user's containers and is not to end with
	// the unit or session that happened to start it.
	Outlive func(ctx context.Context, pid int)
}

// The server's descriptors.
const (
	ExitFD  = helper.FirstFD + iota // reading end of the exit pipe
	NetNSFD                         // the user's network namespace
)

// Ensure returns when the user's DNS server answers for everything that has been written. It starts one if none lives.
// Several may ask at once: one starts it, the others wait.
func Ensure(ctx context.Context, o Options) error {
	wanted := helper.Wanted{
		Kind: helper.DNS, RunDir: o.RunDir, Name: "moss-dns", Program: o.program, Files: o.files, Env: []string{"GOMAXPROCS=1"},
		Outlive: o.Outlive, Ask: o.ask,
	}
	if err := wanted.Ensure(ctx); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot serve the names of containers: %w", err)
	}
	return nil
}

// ask has the running server look at the files.
func (o Options) ask(ctx context.Context, conn *os.File) error {
	defer conn.Close()
	id, err := sys.Inode(o.NetNS)
	if err != nil {
		return err
	}
	return helper.Ask(ctx, conn, strconv.FormatUint(id, 10))
}

// program is in a memory file, which stays for as long as the server runs.
func (o Options) program() (*os.File, error) {
	data, err := o.Program()
	if err != nil {
		return nil, err
	}
	return sys.SealedProgram("moss-dns", data)
}

// files are the server's.
func (o Options) files() (files []*os.File, closeFiles func(), err error) {
	exit, err := sys.OpenPipeReader(o.ExitPipe)
	if err != nil {
		return nil, nil, err
	}
	return []*os.File{exit, o.NetNS}, func() { exit.Close() }, nil
}
