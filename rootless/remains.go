package rootless

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mosscontainers/moss/pkg/sys"
)

// remains are what others still have of that which a holder kept that was killed. Paths are below /proc; "" is gone.
type remains struct {
	user    string // a process inside the user namespace; "0" when this one is
	netns   string // the user's network namespace
	exit    string // the pipe
	program string // the monitor program
}

// fresh says that there is nothing to take over: a new user namespace is made.
func (r remains) fresh() bool { return r.user == "" }

// environment tells the constructor what to take over.
func (r remains) environment() []string {
	if r.fresh() {
		return nil
	}
	env := []string{envJoin + "=" + r.user}
	if r.netns != "" {
		env = append(env, envNetNS+"="+r.netns)
	}
	return env
}

// pipe opens both ends.
func (r remains) pipe() (reader, writer *os.File, err error) {
	if r.exit == "" {
		return os.Pipe()
	}
	if reader, err = sys.OpenPipeReader(r.exit); err != nil {
		return os.Pipe() // its last user has just ended
	}
	if writer, err = os.OpenFile(r.exit, os.O_WRONLY, 0); err != nil {
		reader.Close()
		return os.Pipe()
	}
	return reader, writer, nil
}

// remains looks for what the last holder kept among those who have users.lock open: monitors keep the network namespace and
// the pipe for as long as their containers need them. member is a process inside the namespace that may have nothing
// of that, 0 without.
func (n *Namespace) remains(member int) (r remains) {
	users, netns, exit := n.recorded()
	switch {
	case Inside():
		r.user = "0"
	case member != 0:
		r.user = strconv.Itoa(member)
	}
	lock, err := os.Stat(filepath.Join(n.Dir, "users.lock"))
	if err != nil || users == "" {
		return r
	}
	pids, _ := sys.Pids()
	for _, pid := range pids {
		proc := fmt.Sprintf("/proc/%d", pid)
		if name, err := os.Readlink(proc + "/ns/user"); err != nil || name != users {
			continue
		}
		open := sys.Descriptors(pid)
		if !opens(open, lock) {
			continue
		}
		if r.user == "" {
			r.user = strconv.Itoa(pid)
		}
		for path, name := range open {
			switch name {
			case netns:
				r.netns = path
			case exit:
				r.exit = path
			}
		}
		if path, ok := sys.ProgramOf(pid, n.programName()); ok {
			r.program = path
		}
	}
	return r
}

// recorded is what the kernel calls that which the last holder kept; "" where there was none.
func (n *Namespace) recorded() (user, netns, exit string) {
	line, err := os.ReadFile(n.HolderFile())
	if words := strings.Fields(string(line)); err == nil && len(words) == 5 {
		user, netns, exit = words[2], words[3], words[4]
	}
	return user, netns, exit
}

// opens says whether one of the descriptors is of this file.
func opens(open map[string]string, file os.FileInfo) bool {
	for path, name := range open {
		if filepath.Base(name) != file.Name() {
			continue
		}
		if info, err := os.Stat(path); err == nil && os.SameFile(info, file) {
			return true
		}
	}
	return false
}
