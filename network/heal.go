package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/network/dns"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Helpers are files that name the processes which serve all of the user's networks (sys.WriteProcess): whoever uses a network
// watches them, and calls Heal when one has ended. One that ended because nobody needed it has removed its file.
// runDir is Request.RunDir.
func Helpers(runDir string) []string {
	return []string{filepath.Join(runDir, uplinkFile), helper.DNS.Record(runDir)}
}

// Heal brings back what serves the networks of all of the user's containers, where it was killed, and says what it did.
// Of the request it needs what is not about one container; names is the program of the DNS server.
func Heal(ctx context.Context, r Request, names func() ([]byte, error)) (did []string, err error) {
	if err := os.MkdirAll(r.RunDir, 0o700); err != nil {
		return nil, err
	}
	up := r.uplink()
	old, _ := up.read()
	user, pipe, err := up.ensure(ctx)
	if pipe != nil {
		defer pipe.Close()
	}
	if err != nil {
		return nil, err
	}
	defer user.Close()
	if now, ok := up.read(); ok && now.Process != old.Process {
		did = append(did, Replaced("uplink", old.Process.Pid, now.Process.Pid))
	}
	server, err := sys.RecordedProcess(helper.DNS.Record(r.RunDir))
	if err != nil || server.Alive() {
		return did, nil
	}
	err = dns.Ensure(ctx, dns.Options{RunDir: r.RunDir, NetNS: user, ExitPipe: up.pipePath(), Program: names, Outlive: r.Outlive})
	if now, ok := helper.DNS.Pid(r.RunDir); err == nil && ok {
		did = append(did, Replaced("DNS server", server.Pid, now))
	}
	return did, err
}

// Replaced is the event that a process took another one's place.
func Replaced(what string, old, now int) string {
	return fmt.Sprintf("the %s, process %d, had ended: process %d is in its place", what, old, now)
}
