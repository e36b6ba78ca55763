// Package slirp keeps the process that connects a user's network namespace to the world without
// privileges: slirp4netns(1), one per namespace, started by whoever needs it first.
package slirp

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// Nameserver is where slirp4netns forwards to whatever the host's resolv.conf says at that moment.
var Nameserver = netip.AddrFrom4([4]byte{10, 0, 2, 3})

// Config says for which namespace.
type Config struct {
	NetNS    string // path of the namespace
	ExitPipe string // path of a pipe, at whose end the process ends
	Dir      string // keeps slirp4netns.json, .log and .lock
}

// record names the process and the namespace that it serves.
type record struct {
	Process sys.Process `json:"process"`
	NetNS   string      `json:"netns"` // sys.NamespaceID
}

// Ensure returns once slirp4netns serves the namespace; it starts one when there is none, or it was killed. Not
// installed is errdefs.ErrUnavailable.
func Ensure(ctx context.Context, c Config) error {
	id, err := sys.NamespaceID(c.NetNS)
	if err != nil {
		return err
	}
	if r, err := c.read(); err != nil || r.serves(id) {
		return err
	}
	held, err := sys.LockFile(c.path("lock"), false)
	if err != nil {
		return err
	}
	defer held.Unlock()
	r, err := c.read()
	if err != nil || r.serves(id) {
		return err
	}
	// One that still serves a namespace whose holder was killed: its pipe has told it already.
	if err = r.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return c.start(ctx, id)
}

func (r record) serves(id string) bool { return r.NetNS == id && r.Process.Alive() }

func (c Config) path(suffix string) string { return filepath.Join(c.Dir, "slirp4netns."+suffix) }

// read returns an empty record when there is none, or half of one.
func (c Config) read() (r record, err error) {
	b, err := os.ReadFile(c.path("json"))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	if json.Unmarshal(b, &r) != nil {
		return record{}, nil
	}
	return r, nil
}

func (c Config) write(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := c.path("json.new")
	if err = os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, c.path("json"))
}

func (c Config) start(ctx context.Context, id string) error {
	program, err := exec.LookPath("slirp4netns")
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"slirp4netns is not installed: install it (apt install slirp4netns), or use --network none or --network host")
	}
	pid, err := c.launch(ctx, program)
	if err != nil {
		return err
	}
	self, err := sys.Identify(pid)
	if err != nil {
		return err
	}
	return c.write(record{Process: self, NetNS: id})
}
