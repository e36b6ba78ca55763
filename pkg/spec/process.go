package spec

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/docker/go-units"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Process is what runs in the container and on which terminal.
type Process struct {
	// Entrypoint goes before Command. As a flag's value nil is "not given", and empty is "none".
	Entrypoint []string `json:"entrypoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	Env        []string `json:"env,omitempty"` // KEY=VALUE, in order; of one key the last counts
	// FromEnvFiles counts the first entries of Env: those that --env-file gave, wherever on the command
	// line, so that --env wins.
	FromEnvFiles int `json:"-"`
	// UnsetEnv are variables of the image that the container does not get; UnsetEnvAll are all of them.
	UnsetEnv    []string `json:"-"`
	UnsetEnvAll bool     `json:"-"`
	// UsualEnv are variables that Env wins over; they are no part of what is committed.
	UsualEnv   []string `json:"usualEnv,omitempty"`
	EnvHost    bool     `json:"envHost,omitempty"` // hand the caller's environment to the container when it starts
	WorkDir    string   `json:"workDir,omitempty"`
	Terminal   bool     `json:"terminal,omitempty"`  // -t
	OpenStdin  bool     `json:"openStdin,omitempty"` // -i
	Init       bool     `json:"init,omitempty"`      // run our own init as PID 1
	DetachKeys string   `json:"detachKeys,omitempty"`
	// NoHTTPProxy keeps the caller's proxy variables out of the container.
	NoHTTPProxy bool              `json:"noHTTPProxy,omitempty"`
	Rlimits     map[string]Rlimit `json:"rlimits,omitempty"` // by the name after RLIMIT_, lower case
	// HostLimits leaves the limits of whoever starts the container as they are, but for Rlimits.
	HostLimits bool    `json:"hostLimits,omitempty"`
	Umask      *uint32 `json:"umask,omitempty"` // nil is 0022
	// Timezone is the name of a zone, or local for the host's; "" leaves /etc/localtime as the image has it.
	Timezone string `json:"timezone,omitempty"`
}

// Rlimit is one --ulimit. -1 is unlimited.
type Rlimit struct {
	Soft int64 `json:"soft"`
	Hard int64 `json:"hard"`
}

// proxyVariables are those that Podman hands to containers.
var proxyVariables = []string{
	"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// AddFlags declares the flags of the process.
func (p *Process) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "env", "e", "list", "", "set an environment `variable`: NAME=VALUE, NAME, or NAME*", p.setEnv)
	addFlag(fs, "env-file", "", "list", "", "read environment variables from a `file`", p.setEnvFile)
	addFlag(fs, "entrypoint", "", "string", "", "overwrite the image's `entrypoint`: a program, or a JSON list", p.setEntrypoint)
	addFlag(fs, "workdir", "w", "string", "", "working `directory` inside the container", p.setWorkDir)
	fs.BoolVarP(&p.Terminal, "tty", "t", false, "give the container a terminal")
	fs.BoolVarP(&p.OpenStdin, "interactive", "i", false, "keep stdin open even if nobody is attached")
	fs.BoolVar(&p.Init, "init", false, "run an init that forwards signals and reaps processes")
	fs.BoolVar(&p.EnvHost, "env-host", false, "hand the environment of the caller to the container")
	addFlag(fs, "umask", "", "string", "0022", "`mask` of the modes of new files, in octal", p.setUmask)
	addFlag(fs, "tz", "", "string", "", "time `zone`, such as Europe/Prague, or local for that of the host", p.setTimezone)
	fs.VarPF(&negated{&p.NoHTTPProxy}, "http-proxy", "", "hand the proxy variables of the caller to the container").NoOptDefVal = "true"
	addFlag(fs, "ulimit", "", "list", "", "limit of the process: `name=soft[:hard]`, or host for those of the caller", p.setUlimit)
}

// settle takes over what the description leaves open.
func (p *Process) settle(d *Process) {
	p.UsualEnv = d.Env
	if !p.HostLimits {
		fill(&p.Rlimits, d.Rlimits)
	}
	p.Init = p.Init || d.Init
	p.EnvHost = p.EnvHost || d.EnvHost
	p.NoHTTPProxy = p.NoHTTPProxy || d.NoHTTPProxy
	p.Timezone = cmp.Or(p.Timezone, d.Timezone)
	if p.Umask == nil {
		p.Umask = d.Umask
	}
}

// negated is a boolean flag whose field says the opposite, so that the zero value is the default.
type negated struct{ field *bool }

func (n *negated) String() string {
	if n.field == nil {
		return "true"
	}
	return fmt.Sprint(!*n.field)
}
func (n *negated) Type() string     { return "bool" }
func (n *negated) IsBoolFlag() bool { return true }
func (n *negated) Set(s string) error {
	on, err := parseBool(s)
	*n.field = !on
	return err
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "t":
		return true, nil
	case "false", "0", "f":
		return false, nil
	}
	return false, errdefs.Errorf(errdefs.ErrInvalid, "%q is neither true nor false", s)
}

func (p *Process) setEntrypoint(s string) error {
	p.Entrypoint = []string{}
	if strings.HasPrefix(strings.TrimSpace(s), "[") {
		if err := json.Unmarshal([]byte(s), &p.Entrypoint); err != nil {
			return invalid("entrypoint", s, "not a JSON list of strings: %w", err)
		}
		return nil
	}
	if s != "" {
		p.Entrypoint = []string{s}
	}
	return nil
}

func (p *Process) setWorkDir(s string) error {
	if s == "" { // as Docker and Podman have it: not given
		p.WorkDir = ""
		return nil
	}
	if !path.IsAbs(s) {
		return invalid("workdir", s, "want an absolute path inside the container")
	}
	p.WorkDir = path.Clean(s)
	return nil
}

func (p *Process) setEnv(s string) error {
	found, err := parseEnv(s, os.Environ())
	if err != nil {
		return err
	}
	p.Env = append(p.Env, found...)
	return nil
}

// ParseEnv reads variables, of which those without a value are this process's, if it has them.
func ParseEnv(variables []string) ([]string, error) {
	var all []string
	for _, s := range variables {
		found, err := parseEnv(s, os.Environ())
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// parseEnv reads one --env: NAME=VALUE, or NAME or PREFIX* to take from environ.
func parseEnv(s string, environ []string) ([]string, error) {
	name, _, given := strings.Cut(s, "=")
	if name == "" {
		return nil, invalid("env", s, "want NAME=VALUE, or NAME to take it from here")
	}
	if strings.ContainsRune(s, 0) {
		return nil, invalid("env", s, "a variable cannot contain a zero byte")
	}
	if given {
		return []string{s}, nil
	}
	var found []string
	prefix, isPrefix := strings.CutSuffix(name, "*")
	for _, kv := range environ {
		key, _, _ := strings.Cut(kv, "=")
		if key == name || isPrefix && strings.HasPrefix(key, prefix) {
			found = append(found, kv)
		}
	}
	return found, nil
}

func (p *Process) setEnvFile(file string) error {
	found, err := readEnvFile(file, os.Environ())
	p.Env = slices.Insert(p.Env, p.FromEnvFiles, found...)
	p.FromEnvFiles += len(found)
	return err
}

func readEnvFile(file string, environ []string) ([]string, error) {
	text, err := readFlagFile("env-file", file)
	if err != nil {
		return nil, err
	}
	return parseEnvFile(file, text, environ)
}

// Environment joins what --env and --env-file were given, for a command that has no container of its
// own to fill; --env wins. environ is the caller's environment.
func Environment(env, files, environ []string) ([]string, error) {
	var fromFiles, given []string
	for _, file := range files {
		found, err := readEnvFile(file, environ)
		if err != nil {
			return nil, err
		}
		fromFiles = append(fromFiles, found...)
	}
	for _, one := range env {
		found, err := parseEnv(one, environ)
		if err != nil {
			return nil, err
		}
		given = append(given, found...)
	}
	return MergeEnv(fromFiles, given), nil
}

// maxFlagFile bounds --env-file and --label-file: a command line that long could not be given either.
const maxFlagFile = 1 << 20

func readFlagFile(flag, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", invalid(flag, file, "%w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFlagFile+1)) // what a file says of its size is not true of all
	if err != nil {
		return "", invalid(flag, file, "%w", err)
	}
	if len(text) > maxFlagFile {
		return "", invalid(flag, file, "the file has more than %s", units.BytesSize(maxFlagFile))
	}
	return string(text), nil
}

// parseEnvFile reads Docker's env files: a variable a line, # starts a comment line, a name alone is
// taken from environ, nothing is unquoted.
func parseEnvFile(file, text string, environ []string) ([]string, error) {
	var all []string
	for n, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, _, _ := strings.Cut(line, "=")
		if name == "" || strings.ContainsAny(name, " \t") {
			return nil, invalid("env-file", file, "line %d: want NAME=VALUE", n+1)
		}
		found, err := parseEnv(line, environ)
		if err != nil {
			return nil, invalid("env-file", file, "line %d: %w", n+1, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (p *Process) setUmask(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return invalid("umask", s, "want an octal number up to 0777, such as 0022")
	}
	mask := uint32(n)
	p.Umask = &mask
	return nil
}

func (p *Process) setTimezone(s string) error {
	p.Timezone = s
	return p.checkTimezone()
}

// checkTimezone keeps the name below the directory where zones are.
func (p *Process) checkTimezone() error {
	if p.Timezone != "" && !filepath.IsLocal(p.Timezone) {
		return invalid("tz", p.Timezone, "want the name of a zone, such as Europe/Prague, or local")
	}
	return nil
}

func (p *Process) setUlimit(s string) error {
	if s == "host" {
		p.HostLimits = true
		return nil
	}
	if name, value, ok := strings.Cut(s, "="); ok {
		limit, err := parseUlimit(name, value)
		if err != nil {
			return invalid("ulimit", s, "%w", err)
		}
		if p.Rlimits == nil {
			p.Rlimits = map[string]Rlimit{}
		}
		p.Rlimits[name] = limit
		return nil
	}
	return invalid("ulimit", s, "want NAME=SOFT[:HARD], such as nofile=1024:4096, or host")
}

func parseUlimit(name, value string) (Rlimit, error) {
	value = strings.ReplaceAll(value, "unlimited", "-1")
	u, err := units.ParseUlimit(name + "=" + value)
	var number *strconv.NumError
	if errors.As(err, &number) {
		return Rlimit{}, errdefs.Errorf(errdefs.ErrInvalid, "%q is no number; a limit is one, or unlimited", number.Num)
	}
	if err != nil {
		return Rlimit{}, err
	}
	limit := Rlimit{Soft: u.Soft, Hard: u.Hard}
	return limit, limit.validate()
}

func (r Rlimit) validate() error {
	if r.Soft < -1 || r.Hard < -1 {
		return errdefs.Errorf(errdefs.ErrInvalid, "a limit is a number of at least 0, or -1 for unlimited")
	}
	if uint64(r.Soft) > uint64(r.Hard) {
		return errdefs.Errorf(errdefs.ErrInvalid, "the soft limit is above the hard one")
	}
	return nil
}

// Validate checks the process.
func (p *Process) Validate() error {
	if err := errors.Join(CheckText("argument", slices.Concat(p.Entrypoint, p.Command)...), CheckText("variable", p.Env...)); err != nil {
		return err
	}
	if p.WorkDir != "" && !path.IsAbs(p.WorkDir) {
		return invalid("workdir", p.WorkDir, "want an absolute path inside the container")
	}
	if !utf8.ValidString(p.WorkDir) {
		return invalid("workdir", p.WorkDir, "want UTF-8")
	}
	for _, kv := range p.Env {
		if name, _, ok := strings.Cut(kv, "="); !ok || name == "" {
			return invalid("env", kv, "want NAME=VALUE")
		}
	}
	if err := p.checkTimezone(); err != nil {
		return err
	}
	for name, limit := range p.Rlimits {
		if _, err := units.ParseUlimit(name + "=0"); err != nil {
			return invalid("ulimit", name, "%w", err)
		}
		if err := limit.validate(); err != nil {
			return invalid("ulimit", fmt.Sprintf("%s=%d:%d", name, limit.Soft, limit.Hard), "%w", err)
		}
	}
	return nil
}

// Apply writes the process into an OCI configuration.
func (p *Process) Apply(s *specs.Spec, _ host.Facts, in Inputs) (warnings []string, err error) {
	s.Process.Args = slices.Concat(p.Entrypoint, p.Command)
	if len(s.Process.Args) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot tell what to run: the image names no command, so give one")
	}
	s.Process.Cwd = path.Clean("/" + p.WorkDir)
	s.Process.Terminal = p.Terminal
	s.Process.User.Umask = p.Umask
	s.Process.Env = p.Variables(cmp.Or(s.Hostname, in.Hostname), p.handed(in.HostEnv)...)
	for _, name := range slices.Sorted(maps.Keys(p.Rlimits)) {
		soft, hard := uint64(p.Rlimits[name].Soft), uint64(p.Rlimits[name].Hard)
		if most, bound := in.MostRlimits[name]; bound && hard > most {
			warnings = append(warnings, fmt.Sprintf("cannot apply --ulimit %s=%d:%d, so the limit is %d: only root may go beyond that of the caller", name,
				p.Rlimits[name].Soft, p.Rlimits[name].Hard, most))
			soft, hard = min(soft, most), most
		}
		s.Process.Rlimits = append(s.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name), Soft: soft, Hard: hard})
	}
	return warnings, nil
}

// Variables are the environment of the container's command: what every container has, more, and over that the
// description's own.
func (p *Process) Variables(hostname string, more ...string) []string {
	env, own := []string{"PATH=" + defaultPath}, []string{"container=moss"}
	if p.Terminal {
		env = append(env, "TERM=xterm")
	}
	if hostname != "" {
		own = append(own, "HOSTNAME="+hostname)
	}
	return MergeEnv(env, more, own, p.UsualEnv, p.Env)
}

// handed are the caller's variables that a container is handed when it starts.
func (p *Process) handed(environ []string) []string {
	var found []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		internal := strings.HasPrefix(name, "_MOSS_") || strings.HasPrefix(name, "_CONTAINERS_")
		if p.EnvHost && !internal || !p.NoHTTPProxy && slices.Contains(proxyVariables, name) {
			found = append(found, kv)
		}
	}
	return found
}

// MergeEnv joins lists of KEY=VALUE: a later value of a key takes the place of an earlier one.
func MergeEnv(lists ...[]string) []string {
	var merged []string
	at := map[string]int{}
	for _, kv := range slices.Concat(lists...) {
		key, _, _ := strings.Cut(kv, "=")
		if i, ok := at[key]; ok {
			merged[i] = kv
			continue
		}
		at[key] = len(merged)
		merged = append(merged, kv)
	}
	return merged
}
