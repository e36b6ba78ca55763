package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/network/slirp"
	"github.com/mosscontainers/moss/pkg/sys"
)

// uplink is the one process that connects the user's network namespace with the outside.
type uplink struct {
	dir      string // where its record, its lock and its log are
	netns    string // path of the user's network namespace; "" when the uplink keeps it
	exitPipe string // path of the pipe that ends with the namespace's holder
	outlive  func(ctx context.Context, pid int)
}

// record says which process is the uplink, and of which namespace.
type record struct {
	Process sys.Process `json:"process"`
	NetNS   string      `json:"netns"` // as readlink(2) of /proc/PID/ns/net tells it: net:[INODE]
}

// ensure returns the user's network namespace with a living uplink. keep is nil unless the uplink lives
// only as long as somebody has it open. Several may ask at once: one starts it, the others wait.
func (u uplink) ensure(ctx context.Context) (netns, keep *os.File, err error) {
	if u.netns == "" {
		keep, err = u.openKeep()
		if err != nil {
			return nil, nil, err
		}
	}
	netns, ok := u.running()
	if ok {
		return netns, keep, nil
	}
	lock, err := sys.LockFile(filepath.Join(u.dir, "uplink.lock"), false)
	if err != nil {
		return nil, keep, err
	}
	defer lock.Unlock()
	netns, ok = u.running()
	if ok {
		return netns, keep, nil
	}
	netns, err = u.start(ctx)
	return netns, keep, err
}

func (u uplink) keepPath() string   { return filepath.Join(u.dir, "keep") }
func (u uplink) recordPath() string { return filepath.Join(u.dir, "uplink.json") }

// openKeep opens the pipe whose last writer's end is the uplink's end. It is opened for reading too, as
// opening a pipe for writing alone waits for a reader; nothing ever goes through it.
func (u uplink) openKeep() (*os.File, error) {
	if err := sys.MakeFIFO(u.keepPath()); err != nil {
		return nil, err
	}
	return os.OpenFile(u.keepPath(), os.O_RDWR, 0)
}

// running opens the user's network namespace if the recorded uplink lives in it.
func (u uplink) running() (*os.File, bool) {
	data, err := os.ReadFile(u.recordPath())
	var rec record
	if err != nil || json.Unmarshal(data, &rec) != nil || !rec.Process.Alive() {
		return nil, false
	}
	path := u.netns
	if path == "" {
		path = slirp.NetNS(rec.Process.Pid)
	}
	netns, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if id, err := identity(netns); err != nil || id != rec.NetNS {
		netns.Close()
		return nil, false
	}
	return netns, true
}

// start starts an uplink and records it. Its record is written last: one that died before has none.
func (u uplink) start(ctx context.Context) (_ *os.File, err error) {
	netns, err := u.openNetNS()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			netns.Close()
		}
	}()
	exit, err := u.openExit()
	if err != nil {
		return nil, fmt.Errorf("cannot open the pipe that ends the uplink: %w", err)
	}
	defer exit.Close()
	proc, err := slirp.Start(ctx, slirp.Options{
		NetNS: netns, Exit: exit, Interface: uplinkName, MTU: mtu, Log: filepath.Join(u.dir, "slirp4netns.log"),
	})
	if err != nil {
		return nil, err
	}
	if u.outlive != nil {
		u.outlive(ctx, proc.Pid)
	}
	return netns, u.write(proc, netns)
}

// openNetNS opens the user's network namespace, or makes one where nobody keeps one.
func (u uplink) openNetNS() (netns *os.File, err error) {
	if u.netns != "" {
		return os.Open(u.netns)
	}
	err = sys.OnThread(func() (err error) {
		netns, err = sys.UnshareNet()
		return err
	})
	return netns, err
}

// openExit opens the reading end: the end of file on it ends the uplink.
func (u uplink) openExit() (*os.File, error) {
	path := u.exitPipe
	if u.netns == "" {
		path = u.keepPath()
	}
	if path == "" {
		return nil, errors.New("the holder of the user's namespaces has none")
	}
	return sys.OpenPipeReader(path)
}

func (u uplink) write(proc sys.Process, netns *os.File) error {
	id, err := identity(netns)
	if err != nil {
		return err
	}
	data, err := json.Marshal(record{Process: proc, NetNS: id})
	if err != nil {
		return err
	}
	tmp := u.recordPath() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, u.recordPath())
}

// identity is the kernel's name of a namespace.
func identity(ns *os.File) (string, error) {
	info, err := sys.Inode(ns)
	return fmt.Sprintf("net:[%d]", info), err
}
