package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/buildkit/util/gitutil"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/silence"
)

// git is the host's program for one repository. It reads no configuration of the host's, runs no hooks and asks nobody.
type git struct {
	of         *repository
	cli        *gitutil.GitCLI
	knownHosts string // a file of ours, "" for none
}

// safely keeps what comes with a repository from being run, and file systems out of submodules. What is fetched becomes a pack, however little it is:
// that is there whole or not at all, while of single objects there may be a commit without its files.
var safely = []string{
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "init.templateDir=", "-c", "init.defaultBranch=master",
	"-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
	"-c", "fetch.unpackLimit=1",
}

// patiently has git give up on a server of HTTP that is silent.
func patiently() []string {
	return []string{"-c", "http.lowSpeedLimit=1", "-c", fmt.Sprintf("http.lowSpeedTime=%.0f", silence.Patience().Seconds())}
}

func (s *Store) git(r *repository) (*git, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot get the repository %s: there is no git on this machine; install it (on Debian: apt install git)", r)
	}
	authorization, err := s.gitAuthorization(r)
	if err != nil {
		return nil, err
	}
	g := &git{of: r}
	options := []gitutil.Option{
		gitutil.WithGitBinary(program), gitutil.WithExec(runWith(authorization)), gitutil.WithArgs(safely...), gitutil.WithArgs(patiently()...),
	}
	if r.agent != "" {
		ssh, err := s.ssh(r, g)
		if err != nil {
			return nil, err
		}
		options = append(options, ssh...)
	}
	g.cli = gitutil.NewGitCLI(options...)
	return g, nil
}

// ssh are the options for a repository that is got by SSH: with the agent of the build, from hosts that are known.
func (s *Store) ssh(r *repository, g *git) ([]gitutil.Option, error) {
	hosts := os.ExpandEnv("$HOME/.ssh/known_hosts")
	if r.knownHosts != "" {
		if err := os.MkdirAll(s.Dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.CreateTemp(s.Dir, "known_hosts-")
		if err != nil {
			return nil, err
		}
		g.knownHosts, hosts = f.Name(), f.Name()
		_, err = f.WriteString(r.knownHosts)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, errors.Join(err, g.close())
		}
	}
	options := []gitutil.Option{gitutil.WithSSHKnownHosts(hosts)}
	if s.Agent == nil {
		return options, nil
	}
	socket, err := s.Agent(r.agent)
	if errors.Is(err, errdefs.ErrNotFound) { // the host may take the user's key file
		return options, nil
	}
	return append(options, gitutil.WithSSHAuthSock(socket)), err
}

func (g *git) close() error {
	if g.knownHosts == "" {
		return nil
	}
	return os.Remove(g.knownHosts)
}

// runWith is run with a setting that nobody else is to see, as everybody sees arguments. git's own variable for those is the only one that versions
// before 2.31 have, too.
func runWith(setting string) func(context.Context, *exec.Cmd) error {
	return func(ctx context.Context, cmd *exec.Cmd) error {
		if setting != "" {
			cmd.Env = append(cmd.Env, "GIT_CONFIG_PARAMETERS='"+strings.ReplaceAll(setting, "'", `'\''`)+"'")
		}
		return run(ctx, cmd)
	}
}

// run runs git in a process group of its own, so that its helpers end with it, and it with us. It is asked to end, and removes what it has half done.
func run(ctx context.Context, cmd *exec.Cmd) error {
	runtime.LockOSThread() // which the kernel takes for the parent
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	stop := context.AfterFunc(ctx, func() { end(cmd.Process.Pid, ended) })
	defer stop()
	return cmd.Wait()
}

// grace is how long git has to end.
const grace = 5 * time.Second

// end ends a process group. It may have ended before.
func end(group int, ended <-chan struct{}) {
	_ = syscall.Kill(-group, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(grace):
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
}

// git runs one command and says what it was for when it fails.
func (g *git) git(ctx context.Context, cli *gitutil.GitCLI, args ...string) ([]byte, error) {
	out, err := cli.Run(ctx, args...)
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot get the repository %s: git %s: %s", g.of, args[0], g.said(err))
}

// said is what git said, on one line and without passwords.
func (g *git) said(err error) string {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "git stderr:\n"), "\n: exit status")
	text = strings.ReplaceAll(strings.TrimSpace(text), g.of.remote, g.of.String())
	return strings.Join(strings.Split(text, "\n"), "; ")
}

// checkOut makes a repository in root of what is in the bare one.
func (g *git) checkOut(ctx context.Context, bare, root string, c commit) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	cli := g.cli.New(gitutil.WithDir(root))
	format := "--object-format=sha1"
	if len(c.name) == 64 {
		format = "--object-format=sha256"
	}
	steps := [][]string{
		{"init", format},
		{"remote", "add", "origin", g.of.withoutPassword()},
		{"fetch", "--no-tags", "--depth=1", "--", "file://" + bare, c.name},
		{"checkout", "--force", "--detach", c.name},
	}
	if name, ok := strings.CutPrefix(c.ref, "refs/heads/"); ok {
		steps[3] = []string{"checkout", "--force", "-B", name, c.name}
	} else if c.ref != "" && strings.HasPrefix(c.ref, "refs/tags/") {
		steps = append(steps, []string{"update-ref", c.ref, c.name})
	}
	if !g.of.noSubmodules {
		steps = append(steps, []string{"submodule", "update", "--init", "--recursive", "--depth=1"})
	}
	for _, args := range steps {
		if _, err := g.git(ctx, cli, args...); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) withoutPassword() string {
	// What is before the @ of an HTTP URL is a credential; of an SSH one it is who is to be asked.
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(r.remote, scheme); ok {
			host, path, _ := strings.Cut(rest, "/")
			return scheme + host[strings.LastIndexByte(host, '@')+1:] + "/" + path
		}
	}
	return r.remote
}

// time is the one that all files are to have; zero leaves them as they are.
func (g *git) time(ctx context.Context, root string) (t time.Time, err error) {
	if !g.of.commitTime {
		return t, nil
	}
	out, err := g.git(ctx, g.cli.New(gitutil.WithDir(root)), "show", "--no-patch", "--format=%ct", "HEAD")
	if err != nil {
		return t, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return t, fmt.Errorf("cannot read the time of the commit: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
