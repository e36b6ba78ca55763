package test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mosscontainers/moss/pkg/scope"
)

// TestStories runs the scripts that are meant for the user who runs it.
func TestStories(t *testing.T) {
	moss := program(t)
	fixtures := makeFixtures(t)
	for _, dir := range storyDirs(t) {
		t.Run(dir, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 filepath.Join("stories", dir),
				Cmds:                commands,
				Setup:               func(env *testscript.Env) error { return setUp(env, moss, fixtures) },
				Condition:           condition,
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
			})
		})
	}
}

// program is the moss under test. Only `make stories` names one: `go test ./...` alone tests packages.
func program(t *testing.T) string {
	if os.Getenv("STORIES") == "" {
		t.Skip("stories are run by `make stories`, on the program that it built")
	}
	moss, err := filepath.Abs(os.Getenv("MOSS"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(moss); err != nil {
		t.Fatalf("cannot find the moss to test: %v; run `make stories`", err)
	}
	return moss
}

func storyDirs(t *testing.T) []string {
	if os.Getuid() == 0 {
		return append([]string{"everyone"}, systemdDirs()...)
	}
	ids, err := subordinateIDs()
	if err != nil {
		t.Fatal(err)
	}
	if ids == nil {
		return append([]string{"single"}, systemdDirs()...)
	}
	// Those of a directory run side by side. The last two are alone: at its end each looks at all processes of the user.
	return append([]string{"everyone", "rootless", "debian", "applications"}, systemdDirs()...)
}

// systemdDirs are the stories of users for whom systemd runs units, with control groups of version 2: see test/vm.
func systemdDirs() []string {
	for _, path := range []string{"/sys/fs/cgroup/cgroup.controllers", scope.Socket(os.Getuid())} {
		if _, err := os.Stat(path); err != nil {
			return nil
		}
	}
	return []string{"systemd"}
}

// idRange is count user ids from first on.
type idRange struct{ first, count int }

// subordinateIDs reads the caller's ranges from /etc/subuid: subuid(5).
func subordinateIDs() ([]idRange, error) {
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile("/etc/subuid")
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var ranges []idRange
	for line := range bytes.Lines(data) {
		fields := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(fields) != 3 || (fields[0] != me.Username && fields[0] != me.Uid) {
			continue
		}
		first, err1 := strconv.Atoi(fields[1])
		count, err2 := strconv.Atoi(fields[2])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("cannot understand the line %q of /etc/subuid", line)
		}
		ranges = append(ranges, idRange{first, count})
	}
	return ranges, nil
}

// homeKey finds a story's own directory among a script's values.
type homeKey struct{}

// setUp gives a story a home, a run directory and a store of its own. Their paths are short: what ends up
// in the address of a unix socket may have 107 bytes.
func setUp(env *testscript.Env, moss string, fixtures fixtures) error {
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		return err
	}
	env.Values[homeKey{}] = dir
	env.Values[snapshotKey{}] = &snapshot{}
	for _, sub := range []string{"home/.config/containers", "run", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	conf := "[storage]\ndriver = \"overlay\"\n" +
		"graphroot = \"" + dir + "/store\"\nrunroot = \"" + dir + "/run/containers\"\n"
	confFile := filepath.Join(dir, "home/.config/containers/storage.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		return err
	}
	env.Vars = append(env.Vars,
		"HOME="+dir+"/home", "XDG_RUNTIME_DIR="+dir+"/run", "TMPDIR="+dir+"/tmp",
		"STORE="+dir+"/store", "RUN="+dir+"/run",
		"PATH="+filepath.Dir(moss)+":"+os.Getenv("PATH")+":/usr/sbin:/sbin", "LANG=C.UTF-8", "TERM=xterm",
		"BUSYBOX="+fixtures.busybox, "CONFIGURED="+fixtures.configured, "DEBIAN="+debianTar,
		"SOURCES="+sourcesTar, "GOTREE="+goTree, "FOREIGN="+foreignDir,
		"UID="+strconv.Itoa(os.Getuid()), "MOSS_LINGER=1", "MOSS_DOZE=0.5", "HOSTIP="+hostIP(), "ARCH="+runtime.GOARCH,
	)
	if os.Getuid() == 0 {
		env.Vars = append(env.Vars, "CONTAINERS_STORAGE_CONF="+confFile) // root's file is the machine's
	}
	env.Defer(func() { cleanUp(dir, moss, env.Vars) })
	return nil
}

// hostIP is an address of this machine that is not its loopback's: for a client whose address shall be
// seen. It is empty on a machine without any.
func hostIP() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, addr := range addrs {
		if prefix, ok := addr.(*net.IPNet); ok && prefix.IP.IsGlobalUnicast() && prefix.IP.To4() != nil {
			return prefix.IP.String()
		}
	}
	return ""
}

// condition adds to testscript's own: root, hostip for a machine that has an address, and emulators for a kernel that has them for each user
// namespace.
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Getuid() == 0, nil
	case "hostip":
		return hostIP() != "", nil
	case "emulators":
		return ownEmulators()
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// ownEmulators says whether a user namespace can have emulators of its own: since Linux 6.7, where binfmt_misc is built in or loaded.
func ownEmulators() (bool, error) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return false, err
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &major, &minor); err != nil {
		return false, fmt.Errorf("cannot understand the kernel's release %q: %w", release, err)
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	return (major > 6 || major == 6 && minor >= 7) && bytes.Contains(filesystems, []byte("\tbinfmt_misc\n")), err
}
