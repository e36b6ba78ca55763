// Package scope puts processes into a systemd scope of the user's own, moss.scope. What serves all containers of a user,
// and containers that were started from a login session or by cron, belong there: a scope of the user's service manager is
// delegated (its limits are the user's to set), and it ends neither with a session nor with somebody else's unit.
//
// See org.freedesktop.systemd1(5), and "Delegation" in systemd's CGROUP_DELEGATION.
package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	name = "moss.scope"
	// Engine is the group of those that are not in a container: the scope's own may have no processes, because
	// then the groups below it could have no limits (cgroups(7), "no internal processes").
	Engine = "/engine"

	cgroups = "/sys/fs/cgroup"
	manager = "org.freedesktop.systemd1.Manager."
	// patience bounds what is a matter of milliseconds when systemd answers at all.
	patience    = 5 * time.Second
	stopTimeout = 10 * time.Second
	// tries are how often to look whether the scope is active by now.
	tries = 200
)

// Socket is where the service manager of a user listens; root's is the machine's.
func Socket(uid int) string {
	if uid == 0 {
		return "/run/systemd/private"
	}
	return fmt.Sprintf("/run/user/%d/systemd/private", uid)
}

// Path is the scope's cgroup: systemd.special(7) and user@.service(5) say where.
func Path(uid int) string {
	if uid == 0 {
		return "/" + slice(uid) + "/" + name
	}
	return Manager(uid) + "/" + slice(uid) + "/" + name
}

func slice(uid int) string {
	if uid == 0 {
		return "system.slice"
	}
	return "app.slice"
}

// Manager is the cgroup below which the service manager of a user keeps everything.
func Manager(uid int) string {
	return fmt.Sprintf("/user.slice/user-%d.slice/user@%d.service", uid, uid)
}

// Put moves a process of the user uid into group, which is Engine or "/" and a container's id, below the scope, and makes
// the scope where there is none. Without systemd the error is os.ErrNotExist.
func Put(ctx context.Context, uid, pid int, group string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	socket := Socket(uid)
	if _, err := os.Stat(socket); err != nil {
		return err
	}
	conn, err := dbus.Dial("unix:path="+socket, dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("cannot reach systemd at %s: %w", socket, err)
	}
	defer func() { _ = conn.Close() }() // everything has been answered
	// The user's id outside: systemd is not in our user namespace.
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(uid))}); err != nil {
		return fmt.Errorf("cannot log in to systemd at %s: %w", socket, err)
	}
	m := &client{conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1"), slice(uid), cgroups + Path(uid)}
	if err := m.put(ctx, pid, group); err != nil {
		return fmt.Errorf("cannot put process %d into %s: systemd: %w", pid, name, err)
	}
	Tidy(uid)
	return nil
}

// Tidy moves those that are in the scope's own group, where systemd puts its first process, to Engine: a command may have
// been killed before it did. Who cannot be moved has ended.
func Tidy(uid int) {
	dir := cgroups + Path(uid)
	procs, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return
	}
	for pid := range strings.FieldsSeq(string(procs)) {
		_ = os.Mkdir(dir+Engine, 0o755)
		_ = os.WriteFile(dir+Engine+"/cgroup.procs", []byte(pid), 0)
	}
}

// client is a connection to a service manager.
type client struct {
	systemd dbus.BusObject
	slice   string
	dir     string // of the scope's cgroup
}

// put attaches the process, once the scope is active. Others may make or end the scope meanwhile.
func (m *client) put(ctx context.Context, pid int, group string) (err error) {
	for range tries {
		_ = os.Mkdir(m.dir+group, 0o755) // systemd does not make it, but says that it is missing
		err = m.call(ctx, "AttachProcessesToUnit", name, group, []uint32{uint32(pid)})
		switch errorName(err) {
		case "org.freedesktop.systemd1.NoSuchUnit":
			if err := m.create(ctx, pid); err != nil {
				return err
			}
		case "org.freedesktop.DBus.Error.InvalidArgs": // not yet, or no longer, active
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
	return err
}

// property is systemd's way to write the settings of a unit.
type property struct {
	Name  string
	Value dbus.Variant
}

// create asks for the scope with its first process.
func (m *client) create(ctx context.Context, pid int) error {
	properties := []property{
		{"Description", dbus.MakeVariant("Containers of Moss")},
		{"Slice", dbus.MakeVariant(m.slice)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		{"Delegate", dbus.MakeVariant(true)},
		// A container that does not listen delays the machine's shutdown as little as it does moss stop.
		{"TimeoutStopUSec", dbus.MakeVariant(uint64(stopTimeout / time.Microsecond))},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	type auxiliary struct {
		Name       string
		Properties []property
	}
	err := m.call(ctx, "StartTransientUnit", name, "fail", properties, []auxiliary{})
	if errorName(err) == "org.freedesktop.systemd1.UnitExists" {
		return nil // somebody was quicker
	}
	return err
}

func (m *client) call(ctx context.Context, method string, args ...any) error {
	return m.systemd.CallWithContext(ctx, manager+method, 0, args...).Err
}

func errorName(err error) string {
	var e dbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}
