package test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mosscontainers/moss/pkg/sys"
)

// nothingLeft [-all]: no process and no mount of this story is left; with -all no process of this
// user that is younger than the test.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	all := slices.Equal(args, []string{"-all"})
	if neg || (len(args) > 0 && !all) {
		ts.Fatalf("usage: nothing-left [-all]")
	}
	dir := ts.Value(homeKey{}).(string)
	ts.Check(eventually(func() error {
		left, err := processes(dir, all)
		if err != nil {
			return err
		}
		mounts, err := mounts(dir)
		if err != nil {
			return err
		}
		if left = append(left, mounts...); len(left) > 0 {
			return fmt.Errorf("left behind:\n%s", strings.Join(left, "\n"))
		}
		return nil
	}))
}

// processes are those that know dir: by their arguments, environment, directory or open files. all adds
// every process of this user and of its subordinate ids that does not descend from this test.
func processes(dir string, all bool) ([]string, error) {
	ranges, err := subordinateIDs()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var left []string
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || related(pid) {
			continue
		}
		if knows(pid, dir) || (all && mine(pid, ranges) && !older(pid)) {
			cmdline, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
			left = append(left, fmt.Sprintf("process %d: %s", pid, strings.ReplaceAll(string(cmdline), "\x00", " ")))
		}
	}
	return left, nil
}

// related says that pid is this test, one of those that started it, or the registry or shell that it started.
func related(pid int) bool {
	me := os.Getpid()
	for p := me; p > 1; p = parent(p) {
		if p == pid {
			return true
		}
	}
	return parent(pid) == me
}

// older says that pid is of before this test: it is not the test's to judge.
func older(pid int) bool {
	self, err1 := sys.Identify(os.Getpid())
	other, err2 := sys.Identify(pid)
	return err1 == nil && err2 == nil && other.StartTime < self.StartTime
}

// parent is field 4 of proc_pid_stat(5), 0 when the process is gone.
func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}

func mine(pid int, ranges []idRange) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return false
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	if uid == 0 {
		// What the kernel keeps from us is root's to look at; zombies are too. The status tells the true user.
		uid = realUID(pid)
	}
	if uid == os.Getuid() {
		return true
	}
	return slices.ContainsFunc(ranges, func(r idRange) bool { return uid >= r.first && uid-r.first < r.count })
}

// realUID reads proc_pid_status(5); -1 when the process is gone.
func realUID(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			uid, err := strconv.Atoi(strings.Fields(ids)[0])
			if err == nil {
				return uid
			}
		}
	}
	return -1
}

func knows(pid int, dir string) bool {
	base := fmt.Sprintf("/proc/%d/", pid)
	for _, name := range []string{"cmdline", "environ"} {
		if data, err := os.ReadFile(base + name); err == nil && strings.Contains(string(data), dir) {
			return true
		}
	}
	links, _ := filepath.Glob(base + "fd/*")
	for _, link := range append(links, base+"cwd") {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, dir+"/") {
			return true
		}
	}
	return false
}

func mounts(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var left []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, dir+"/") {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	return left, nil
}

// snapshotKey finds what takeSnapshot saw.
type snapshotKey struct{}

type snapshot struct{ tree []string }

// takeSnapshot: remembers which containers, names, volumes and images there are, for unchanged. A monitor may be writing
// down just then that its container runs.
func takeSnapshot(ts *testscript.TestScript, neg bool, _ []string) {
	ts.Check(eventually(func() error {
		tree, err := tree(ts)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(tree, func(path string) bool { return strings.HasSuffix(path, ".new") }); i >= 0 {
			return fmt.Errorf("%s is never put into its place", tree[i])
		}
		*ts.Value(snapshotKey{}).(*snapshot) = snapshot{tree}
		return nil
	}))
}

// unchanged: the same objects are there as when snapshot was called.
func compareSnapshot(ts *testscript.TestScript, neg bool, _ []string) {
	before := ts.Value(snapshotKey{}).(*snapshot).tree
	ts.Check(eventually(func() error { // what a command leaves to its monitor to clean up takes a moment
		now, err := tree(ts)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(before, now); diff != "" {
			return fmt.Errorf("the store has changed (-before +now):\n%s", diff)
		}
		return nil
	}))
}

// tree lists the paths below the store and the run directory but for caches and locks, which cost nothing
// to lose and mean nothing when they are there.
func tree(ts *testscript.TestScript) ([]string, error) {
	dir := ts.Value(homeKey{}).(string)
	paths := []string{}
	for _, root := range []string{dir + "/store", dir + "/run"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
					return nil
				}
				return err
			}
			switch name := entry.Name(); {
			case entry.IsDir() && slices.Contains([]string{"cache", "ns", "seccomp", "tmp", "net", "pins", "locks", "contexts"}, name):
				return fs.SkipDir
			case entry.IsDir() && filepath.Dir(path) == dir+"/store/overlay" && name != "l":
				paths = append(paths, path)
				return fs.SkipDir
			case !entry.IsDir() && !strings.HasSuffix(name, "lock"):
				paths = append(paths, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// leaves N WHAT: just N containers, volumes or images are there.
func leaves(ts *testscript.TestScript, neg bool, args []string) {
	lists := map[string][]string{
		"containers": {"moss", "ps", "-aq"}, "volumes": {"moss", "volume", "ls", "-q"}, "images": {"moss", "images", "-q"},
	}
	if neg || len(args) != 2 || lists[args[1]] == nil {
		ts.Fatalf("usage: leaves N containers|volumes|images")
	}
	ts.Check(eventually(func() error {
		cmd, err := command(ts, lists[args[1]])
		if err != nil {
			return err
		}
		out, err := cmd.Output()
		if n := len(strings.Fields(string(out))); err == nil && strconv.Itoa(n) != args[0] {
			err = fmt.Errorf("%d %s are there, want %s:\n%s", n, args[1], args[0], out)
		}
		return err
	}))
}

// cleanUp removes what a story, perhaps a failed one, left. Only moss may remove files of subordinate ids.
func cleanUp(dir, moss string, env []string) {
	// Podman's own holder of a user namespace, where a story has asked Podman.
	if pid, err := os.ReadFile(dir + "/run/libpod/tmp/pause.pid"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(pid))); err == nil && n > 1 && knows(n, dir) {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
	for _, args := range [][]string{{"system", "reset", "--force"}, {"unshare", "rm", "-rf", dir + "/store"}} {
		cmd := exec.Command(moss, args...)
		cmd.Env = env
		_ = cmd.Run() // as-user.sh removes the rest as root
	}
	_ = os.RemoveAll(dir)
}
