package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// greeting is the whole text, facts and all.
func greeting() string {
	var b strings.Builder
	b.WriteString("Hello from a container of Moss.\n\n")
	for _, fact := range facts() {
		fmt.Fprintf(&b, "  %-11s %s\n", fact.name, fact.value)
	}
	b.WriteString("\nNo daemon did this")
	if data, err := os.ReadFile("/proc/self/uid_map"); err == nil && !isRoot(string(data)) {
		b.WriteString(", and nobody was root")
	}
	b.WriteString(".\nTry it as a web server:  moss run --rm -p 8080:8080 localhost/hello serve\n")
	return b.String()
}

type fact struct{ name, value string }

func facts() []fact {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = err.Error()
	}
	all := []fact{
		{"process", fmt.Sprintf("%d, as user %d and group %d of the container", os.Getpid(), os.Getuid(), os.Getgid())},
		{"outside", outside()},
		{"hostname", hostname},
		{"namespaces", namespaces()},
		{"seccomp", seccomp()},
		{"started", startedAgo()},
	}
	if total := commandAgo(os.Getenv("MOSS_STARTED"), time.Now()); total != "" {
		all = append(all, fact{"command", total})
	}
	return all
}

// outside says who the container's user is on the host: the line of the id map that holds our id.
func outside() string {
	data, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err.Error()
	}
	id, count := outsideID(string(data), os.Getuid())
	if id < 0 {
		return "nobody: this user is not mapped"
	}
	return fmt.Sprintf("user %d; the container has %d users in all", id, count)
}

// isRoot says that root in the container is root on the host.
func isRoot(uidMap string) bool {
	id, _ := outsideID(uidMap, 0)
	return id == 0
}

// outsideID looks uid up in a uid_map: lines of "inside outside count" (user_namespaces(7)). count is
// how many ids the map holds; id is -1 when uid is not among them.
func outsideID(uidMap string, uid int) (id, count int) {
	id = -1
	for line := range strings.Lines(uidMap) {
		var inside, outside, n int
		if _, err := fmt.Sscan(line, &inside, &outside, &n); err != nil {
			continue
		}
		count += n
		if uid >= inside && uid-inside < n {
			id = outside + uid - inside
		}
	}
	return id, count
}

func namespaces() string {
	var names []string
	for _, name := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"} {
		link, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			continue
		}
		names = append(names, strings.NewReplacer(":[", " ", "]", "").Replace(link))
	}
	return strings.Join(names, ", ")
}

// seccomp reads the mode of the filter from /proc/self/status: proc_pid_status(5).
func seccomp() string {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(data)) {
		if mode, ok := strings.CutPrefix(line, "Seccomp:"); ok {
			if strings.TrimSpace(mode) == "2" {
				return "on"
			}
			return "off"
		}
	}
	return "this kernel has none"
}

// startedAgo is how long ago the kernel made this process: what mounting, pivoting, dropping and
// executing took. The kernel tells it in ticks of 10 ms (field 22 of proc_pid_stat(5)), so it is a bound.
func startedAgo() string {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err.Error()
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return err.Error()
	}
	ago, err := sinceStart(string(stat), string(uptime))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("less than %d ms after the kernel made this process", ago.Milliseconds())
}

// sinceStart is the longest that can have passed between the start in stat and uptime, whose values are
// both cut to 10 ms.
func sinceStart(stat, uptime string) (time.Duration, error) {
	const tick = 10 * time.Millisecond
	end := strings.LastIndexByte(stat, ')') // the name before it may hold anything
	fields := strings.Fields(stat[end+1:])
	if end < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("cannot understand /proc/self/stat")
	}
	start, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return 0, err
	}
	now, err := strconv.ParseFloat(strings.Fields(uptime + " ")[0], 64)
	if err != nil {
		return 0, err
	}
	ticks := int64(now*100+0.5) - start + 1
	return max(1, time.Duration(ticks)) * tick, nil
}

// commandAgo is how long ago the moment was that the caller noted, in nanoseconds since 1970:
//
//	moss run --rm -e MOSS_STARTED=$(date +%s%N) localhost/hello
func commandAgo(started string, now time.Time) string {
	ns, err := strconv.ParseInt(started, 10, 64)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%.1f ms after the moment in MOSS_STARTED", float64(now.Sub(time.Unix(0, ns)).Microseconds())/1000)
}
