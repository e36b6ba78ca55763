package libpod

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/libpod/embedded"
	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/network"
	"github.com/mosscontainers/moss/rootless"
)

// HealCommand is the command of moss by which a monitor has the network brought back. It is for nobody else.
const HealCommand = "__heal"

// Heal brings back what the networks of the user's containers need, where it was killed, and says what it did.
func (e *Engine) Heal(ctx Context) (did []string, err error) {
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
		Log:     filepath.Join(dir, "log"),
		Command: []string{program, HealCommand},
		Env:     append(e.careEnvironment(), rootless.Entry(monitor.CareUsersLock)...),
	}
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
