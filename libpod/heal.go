package libpod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/network/helper"
	"github.com/mosscontainers/moss/pkg/sys"
	"github.com/mosscontainers/moss/rootless"
)

// HealCommand is the command of moss by which a monitor has the network brought back. It is for nobody else.
const HealCommand = "__heal"

// Heal brings back what the networks of the user's containers need, where it was killed, and says what it did.
func (e *Engine) Heal(ctx Context) (did []string, err error) {
	for try := 0; try == 0 || try < reviveTries && lacksHolder(err) && ctx.Err() == nil; try++ {
		time.Sleep(time.Duration(min(try, 1)) * time.Millisecond) // a holder that is just being killed looks alive
		var healed []string
		healed, err = e.healNetworks(ctx)
		did = append(did, healed...)
	}
	forwarded, portsErr := e.healPorts(ctx)
	return append(did, forwarded...), errors.Join(err, portsErr)
}

// healNetworks brings back the holder, and with it the uplink and the DNS server.
func (e *Engine) healNetworks(ctx Context) (did []string, err error) {
	if rootless.Rootless() {
		made, err := e.NS.Revive(ctx)
		if err != nil {
			return nil, err
		}
		if made {
			did = append(did, "the holder of the user's namespaces had ended: another one is in its place")
		}
	}
	healed, err := network.Heal(ctx, e.networkRequest(), embedded.DNS)
	return append(did, healed...), err
}

// healPorts brings back the forwarder of published ports.
func (e *Engine) healPorts(ctx Context) (did []string, err error) {
	old, err := sys.RecordedProcess(helper.Ports.Record(e.networkDir()))
	if err != nil || old.Alive() {
		return nil, nil
	}
	held, err := e.forwarder().Hold(ctx)
	if err != nil {
		return nil, err
	}
	defer held.Close() // the monitors find it
	if now, ok := helper.Ports.Pid(e.networkDir()); ok {
		did = append(did, network.Replaced("forwarder of published ports", old.Pid, now))
	}
	return did, nil
}

// care tells the monitor of a container on the user's network what to watch, and how to have it brought back. It is nil where
// this program has no path by which it could be started again.
func (e *Engine) care() *monitor.Care {
	program := rootless.Program()
	if program == "" {
		return nil
	}
	dir := e.networkDir()
	return &monitor.Care{
		Watch:   append(network.Helpers(dir), e.NS.HolderFile()),
		Lock:    filepath.Join(dir, "heal.lock"),
		Log:     e.healLog(),
		Command: []string{program, HealCommand},
		Env:     append(e.careEnvironment(), rootless.Entry(monitor.CareUsersLock)...),
	}
}

// healLog is where it stands what was brought back.
func (e *Engine) healLog() string { return filepath.Join(e.networkDir(), "log") }

// lastEvents are the last lines of a log, as far as they are among its last 4096 bytes.
func lastEvents(path string, most int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil // nothing has happened
	}
	defer f.Close()
	const tail = 4096
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-tail), tail))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if info.Size() > tail || lines[0] == "" {
		lines = lines[1:] // that one is a part of one
	}
	return lines[max(0, len(lines)-most):]
}

// careEnvironment are those variables of this process by which another finds the same files and programs.
func (e *Engine) careEnvironment() []string {
	env := []string{"XDG_RUNTIME_DIR=" + e.Config.RuntimeDir}
	for _, name := range []string{
		"HOME", "PATH", "TMPDIR", "MOSS_LINGER", "MOSS_UPLINK", "XDG_CONFIG_HOME", "CONTAINERS_CONF", "CONTAINERS_CONF_OVERRIDE", "CONTAINERS_STORAGE_CONF",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, fmt.Sprintf("%s=%s", name, value))
		}
	}
	return env
}

// uplinkFile names the process of an uplink of the container's own.
func (s *launch) uplinkFile() string { return filepath.Join(s.runDir, "uplink") }

// launchCare is what the container's monitor watches: what all containers share, or the uplink of a network of its own; and who serves its ports.
func (s *launch) launchCare() *monitor.Care {
	care := s.care()
	if care == nil {
		return nil
	}
	if network.Own(s.network.mode) {
		care.Own, care.Watch, care.Lock = true, []string{s.uplinkFile()}, filepath.Join(s.runDir, "heal.lock")
		care.Command = append(care.Command, s.network.mode, s.uplinkFile())
	}
	if len(s.c.Ports) > 0 {
		care.Watch = append(care.Watch, helper.Ports.Record(s.networkDir()))
	}
	return care
}

// HealOwn brings back the uplink of a container's own network, of a mode, and who serves its ports. record names the uplink's process. The caller is
// what Care.Own says.
func (e *Engine) HealOwn(ctx Context, mode, record string) (did []string, err error) {
	netns, keep := os.NewFile(monitor.CareNetNS, "netns"), os.NewFile(monitor.CareKeep, "keep")
	defer netns.Close()
	defer keep.Close()
	old, err := sys.RecordedProcess(record)
	if err != nil {
		return nil, err
	}
	if old.Alive() {
		return e.healPorts(ctx)
	}
	request := e.networkRequest()
	request.Mode = mode
	now, err := network.ReplaceOwn(ctx, request, netns, keep)
	if err != nil {
		return nil, err
	}
	if err := sys.WriteProcess(record, now.Pid); err != nil {
		return nil, err
	}
	did, err = e.healPorts(ctx)
	return append([]string{network.Replaced("uplink of "+mode, old.Pid, now.Pid)}, did...), err
}
