package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Main is the program moss-dns, which dns.Ensure starts with the run directory as its argument. It returns the exit code.
func Main() int {
	runtime.LockOSThread()            // the first thread shows others where the process is, and is not the one that goes to the bridges
	_ = sys.SetThreadName("moss-dns") // it would be the number of the program's descriptor
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "moss-dns:", err)
		return 1
	}
	return 0
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: moss-dns RUNDIR, as moss starts it")
	}
	ready, err := sys.Inherit(helper.ReadyFD, "ready", true)
	if err != nil {
		return err
	}
	s, err := start(os.Args[1])
	_, writeErr := io.WriteString(ready, helper.Answer(err))
	if err = errors.Join(err, writeErr, ready.Close()); err != nil {
		return err
	}
	return s.Serve()
}

// start opens what needs a privilege, and gives the others back.
func start(runDir string) (*Server, error) {
	exit, err := sys.Inherit(dns.ExitFD, "exit pipe", true)
	if err != nil {
		return nil, err
	}
	netns, err := sys.Inherit(dns.NetNSFD, "network namespace", false)
	if err != nil {
		return nil, err
	}
	s, err := Start(Options{RunDir: runDir, NetNS: netns, Exit: exit, ResolvConf: "/etc/resolv.conf"})
	if err != nil {
		return nil, err
	}
	return s, errors.Join(sys.Confine(sys.CapNetBindService, sys.CapNetAdmin), sys.ConfineFiles(runDir))
}
