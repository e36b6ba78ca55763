package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/mosscontainers/moss/network/uplink"
	"github.com/mosscontainers/moss/pkg/sys"
)

// shared is the one process that connects the user's network namespace with the outside.
type shared struct {
	dir      string // where its record, its lock and its log are
	netns    string // path of the user's network namespace; "" when the uplink keeps it
	exitPipe string // path of the pipe that ends with the namespace's holder
	choice   Choice
	outlive  func(ctx context.Context, pid int)
}

// record says what the uplink is, and of which namespace.
type record struct {
	uplink.Link
	ID string `json:"id"` // of the namespace, as readlink(2) of /proc/PID/ns/net tells it: net:[INODE]
}

// ensure returns the user's network namespace with a living uplink, which lives as long as somebody has pipe open.
// Several may ask at once: one starts it, the others wait.
func (u shared) ensure(ctx context.Context) (netns, pipe *os.File, err error) {
	pipe, err = u.openPipe()
	if err != nil {
		return nil, nil, err
	}
	netns, ok := u.running()
	if ok {
		return netns, pipe, nil
	}
	lock, err := sys.LockFile(filepath.Join(u.dir, "uplink.lock"), false)
	if err != nil {
		return nil, pipe, err
	}
	defer lock.Unlock()
	netns, ok = u.running()
	if ok {
		return netns, pipe, nil
	}
	for range startTries {
		if netns, err = u.start(ctx); !errors.Is(err, uplink.ErrKilled) {
			break
		}
	}
	return netns, pipe, err
}

// startTries bounds how often an uplink may be killed as soon as it is started.
const startTries = 3

// uplinkFile names the process of the uplink, for those who watch it.
const uplinkFile = "uplink"

func (u shared) recordPath() string { return filepath.Join(u.dir, "uplink.json") }

// pipePath is the pipe whose last writer's end is the uplink's end: the holder's, or one of our own where there is none.
func (u shared) pipePath() string {
	if u.netns != "" {
		return u.exitPipe
	}
	return filepath.Join(u.dir, "keep")
}

// openPipe opens the pipe. It is opened for reading too, as opening a pipe for writing alone waits for a reader; nothing
// ever goes through it.
func (u shared) openPipe() (*os.File, error) {
	if u.netns == "" {
		if err := sys.MakeFIFO(u.pipePath()); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(u.pipePath(), os.O_RDWR, 0)
}

// Running is the living uplink of the user whose files are in runDir (Request.RunDir), if there is one.
func Running(runDir string) (*uplink.Link, bool) {
	rec, ok := shared{dir: runDir}.read()
	return &rec.Link, ok && rec.Process.Alive()
}

// running opens the user's network namespace if the recorded uplink lives in it, and may open enough files.
func (u shared) running() (*os.File, bool) {
	rec, ok := u.read()
	if !ok || !rec.Process.Alive() || sys.Cramped(rec.Process.Pid) {
		return nil, false
	}
	path := u.netns
	if path == "" {
		path = rec.NetNS
	}
	netns, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	if id, err := identity(netns); err != nil || id != rec.ID {
		netns.Close()
		return nil, false
	}
	return netns, true
}

func (u shared) read() (rec record, ok bool) {
	data, err := os.ReadFile(u.recordPath())
	ok = err == nil && json.Unmarshal(data, &rec) == nil
	return rec, ok
}

// start starts an uplink and records it. Its record is written last: one that died before has none.
func (u shared) start(ctx context.Context) (_ *os.File, err error) {
	program, err := u.choice.Find()
	if err != nil {
		return nil, err
	}
	netns, err := u.openNetNS()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			netns.Close()
		}
	}()
	if err := takeInterface(netns); err != nil {
		return nil, err
	}
	exit, err := sys.OpenPipeReader(u.pipePath())
	if err != nil {
		return nil, fmt.Errorf("cannot open the pipe that ends the uplink: %w", err)
	}
	defer exit.Close()
	log, err := os.OpenFile(filepath.Join(u.dir, "uplink.log"), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	link, err := program.Start(ctx, uplink.Options{NetNS: netns, Exit: exit, Log: log, Interface: uplinkName, MTU: defaultMTU, IPv6: true})
	if err != nil {
		return nil, err
	}
	if u.outlive != nil {
		u.outlive(ctx, link.Process.Pid)
	}
	return netns, u.write(link, netns)
}

// takeInterface removes the interface of an uplink that nobody knows of: the command that started it was killed before it recorded it,
// or the record was damaged. Without its interface such a process ends, with the namespace at the latest.
func takeInterface(netns *os.File) error {
	return inside(netns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(uplinkName)
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil
		}
		if err == nil {
			err = h.LinkDel(link)
		}
		if err != nil && !errors.Is(err, syscall.ENODEV) { // it has just gone with its process
			return fmt.Errorf("cannot connect to the network: cannot remove what an earlier uplink left: %w", err)
		}
		return nil
	})
}

// openNetNS opens the user's network namespace. Where there is no holder, it is the one that a living container keeps, or
// else a new one.
func (u shared) openNetNS() (netns *os.File, err error) {
	if u.netns != "" {
		return os.Open(u.netns)
	}
	if netns, ok := u.kept(); ok {
		return netns, nil
	}
	return NewNetNS()
}

// kept is the namespace of the last uplink, if a monitor still has it open.
func (u shared) kept() (*os.File, bool) {
	rec, ok := u.read()
	if !ok {
		return nil, false
	}
	pids, _ := sys.Pids()
	for _, pid := range pids {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(comm) != "moss-monitor\n" || !ours(pid) {
			continue
		}
		for path, name := range sys.Descriptors(pid) {
			if name != rec.ID {
				continue
			}
			if netns, err := os.Open(path); err == nil {
				return netns, true
			}
		}
	}
	return nil, false
}

// ours says whether a process is in our user namespace. Root sees what other users have open too, and the kernel gives the number of a
// namespace that is gone to another one.
func ours(pid int) bool {
	mine, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false
	}
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return err == nil && its == mine
}

func (u shared) write(link *uplink.Link, netns *os.File) error {
	id, err := identity(netns)
	if err != nil {
		return err
	}
	data, err := json.Marshal(record{Link: *link, ID: id})
	if err != nil {
		return err
	}
	tmp := u.recordPath() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, u.recordPath()); err != nil {
		return err
	}
	err = sys.WriteProcess(filepath.Join(u.dir, uplinkFile), link.Process.Pid)
	if errors.Is(err, os.ErrProcessDone) {
		return nil // who asks next starts another
	}
	return err
}

// identity is the kernel's name of a namespace.
func identity(ns *os.File) (string, error) {
	info, err := sys.Inode(ns)
	return fmt.Sprintf("net:[%d]", info), err
}
