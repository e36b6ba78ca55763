package cli

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// foreignFlag is one that Docker or Podman have before their commands, where scripts give them. Behind a command their letters mean something else, so they
// are taken from the command line before that is read. rootless/nsenter knows which of them have a value.
type foreignFlag struct {
	long, short, kind string // kind is "" for a boolean
	help              string
	use               func(a *App, value string) error
}

func foreignFlags() []foreignFlag {
	ignored := func(*App, string) error { return nil }
	level := func(a *App, value string) error { return a.logLevel.Set(value) }
	const here = "moss has no daemon, so what it does it does on this machine; leave it out, or run moss over there (ssh HOST moss …)"
	local := func(name string, is func(value string) bool) func(*App, string) error {
		return func(_ *App, value string) error {
			if is(value) {
				return nil
			}
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: %s", strings.TrimSpace("--"+name+" "+value), here)
		}
	}
	none := func(string) bool { return false }
	unused := "taken for the sake of scripts, and of no meaning"
	return []foreignFlag{
		{"config", "", "directory", "directory of Docker's config.json, as DOCKER_CONFIG", func(_ *App, dir string) error { return os.Setenv("DOCKER_CONFIG", dir) }},
		{"context", "c", "name", "default: there is no other context", local("context", func(s string) bool { return s == "" || s == "default" || s == "rootless" })},
		{"debug", "D", "", "same as --log-level debug", func(a *App, _ string) error { return level(a, "debug") }},
		{"host", "H", "address", "a socket of this machine, unix://PATH, is as good as none", local("host", func(s string) bool { return !elsewhere(s) })},
		{"", "l", "level", "", level},
		{"tls", "", "", unused, ignored},
		{"tlsverify", "", "", unused, ignored},
		{"tlscacert", "", "file", unused, ignored},
		{"tlscert", "", "file", unused, ignored},
		{"tlskey", "", "file", unused, ignored},
		{"cgroup-manager", "", "name", unused, ignored},
		{"conmon", "", "path", unused, ignored},
		{"events-backend", "", "name", unused, ignored},
		{"syslog", "", "", unused, ignored},
		{"tmpdir", "", "directory", unused, ignored},
		{"connection", "", "name", "refused: there are no connections", local("connection", none)},
		{"remote", "r", "", "refused: there are no connections", local("remote", none)},
		{"url", "", "address", "a socket of this machine, unix://PATH, is as good as none", local("url", func(s string) bool { return !elsewhere(s) })},
	}
}

// elsewhere says whether an address of an engine is on another machine.
func elsewhere(address string) bool {
	scheme, _, ok := strings.Cut(address, "://")
	return address != "" && !(ok && (scheme == "unix" || scheme == "fd")) && !strings.HasPrefix(address, "/")
}

// takeForeign does what the words before the command say that peers have there, and returns the others.
func (a *App) takeForeign(args []string) (words []string, err error) {
	if len(args) == 0 || args[0] != "runtime" { // whose callers read all that it says
		a.tellOfHost()
	}
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		flag, value, given := findForeign(args[0])
		if flag == nil {
			words = append(words, args[0])
			if args = args[1:]; len(args) > 0 && takesNext(words[len(words)-1]) {
				words, args = append(words, args[0]), args[1:]
			}
			continue
		}
		word := args[0]
		args = args[1:]
		switch {
		case flag.kind != "" && !given && len(args) == 0:
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "flag needs an argument: %s; see moss --help", word)
		case flag.kind != "" && !given:
			value, args = args[0], args[1:]
		case flag.kind == "" && given:
			on, err := strconv.ParseBool(value)
			if err != nil {
				return nil, errdefs.Errorf(errdefs.ErrInvalid, "invalid %s: want true or false", word)
			}
			if !on {
				continue
			}
		}
		if err := flag.use(a, value); err != nil {
			return nil, err
		}
	}
	return append(words, args...), nil
}

// findForeign is the flag that a word names, if it is one of those, and the value that is in the same word.
func findForeign(word string) (flag *foreignFlag, value string, given bool) {
	for _, f := range foreignFlags() {
		if long, isLong := strings.CutPrefix(word, "--"); isLong {
			name, value, given := strings.Cut(long, "=")
			if name == f.long && name != "" {
				return &f, value, given
			}
			continue
		}
		if rest, ok := strings.CutPrefix(word, "-"+f.short); ok && f.short != "" && (rest == "" || f.kind != "") {
			return &f, strings.TrimPrefix(rest, "="), rest != ""
		}
	}
	return nil, "", false
}

// takesNext says whether a word is a global flag of ours whose value is the next one.
func takesNext(word string) bool {
	name, long := strings.CutPrefix(word, "--")
	return long && !strings.Contains(name, "=") && name != "help" && name != "version"
}

// tellOfHost says once that an engine elsewhere, which the environment names, is not asked: who types docker may mean that one.
func (a *App) tellOfHost() {
	const told = "_MOSS_TOLD_HOST" // also to this program when it executes itself again
	address := os.Getenv("DOCKER_HOST")
	if !elsewhere(address) || os.Getenv(told) != "" {
		return
	}
	a.Warn("DOCKER_HOST is " + address + ", and moss works on this machine: it has no daemon")
	_ = os.Setenv(told, "1") // it would be said twice
}

// showForeign has help tell of those flags.
func (a *App) showForeign(root *cobra.Command) {
	if len(a.args) > 0 && !strings.HasPrefix(a.args[0], "-") && !strings.HasPrefix(a.args[0], "__complete") {
		return
	}
	fs := root.Flags()
	for _, f := range foreignFlags() {
		switch {
		case f.long == "":
		case f.kind == "":
			fs.BoolP(f.long, f.short, false, f.help)
		default:
			fs.StringP(f.long, f.short, "", f.help)
		}
	}
}
