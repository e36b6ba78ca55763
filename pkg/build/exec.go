package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"

	"github.com/mosscontainers/moss/libpod"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
)

// ExitError says that the command of a RUN has failed.
type ExitError struct {
	Args []string
	Code int // as a shell counts it
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("process %q did not complete successfully: exit code: %d", strings.Join(e.Args, " "), e.Code)
}

// execution is a RUN.
type execution struct {
	*step
	op *pb.ExecOp
}

// rootMount is the mount of the root file system.
func (e *execution) rootMount() (*pb.Mount, error) {
	for _, m := range e.op.Mounts {
		if m.Dest == "/" {
			return m, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot run a command: it has no root file system")
}

func (e *execution) below() (snapshot, error) {
	m, err := e.rootMount()
	if err != nil || m.Input == none {
		return nil, err
	}
	if e.inputs[m.Input].tree != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "cannot run a command in a build context")
	}
	return e.inputs[m.Input].layers, nil
}

func (e *execution) quick() string {
	op, err := e.commandKey()
	if err != nil {
		return ""
	}
	parts := []string{"run", op}
	for _, in := range e.inputs {
		if in.tree != nil {
			return ""
		}
		parts = append(parts, in.layers.content())
	}
	return key(parts...)
}

func (e *execution) content(ctx context.Context) (string, error) {
	op, err := e.commandKey()
	if err != nil {
		return "", err
	}
	below, err := e.below()
	if err != nil {
		return "", err
	}
	parts := []string{"run by content", op, below.content()}
	for _, m := range e.op.Mounts {
		if m.Input == none || m.Dest == "/" {
			continue
		}
		d, err := e.mountContent(ctx, m)
		if err != nil {
			return "", err
		}
		parts = append(parts, d)
	}
	return key(parts...), nil
}

// commandKey is the command and what it is run in, as a part of a key.
func (e *execution) commandKey() (string, error) {
	asked := e.opts.Step
	if err := e.entitle(&asked); err != nil { // what a build may not do it may not have from the cache
		return "", err
	}
	op, err := e.opKey(e.v.Op)
	if err != nil {
		return "", err
	}
	around, err := surroundings(&e.opts.Step)
	return op + string(around), err
}

// mountContent names what a mount shows.
func (e *execution) mountContent(ctx context.Context, m *pb.Mount) (_ string, err error) {
	in := e.inputs[m.Input]
	if m.MountType == pb.MountType_CACHE && in.tree == nil {
		return in.layers.content(), nil
	}
	r, err := e.open(in)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	d, err := r.Digest(ctx, m.Selector)
	return d.String(), err
}

func (e *execution) do(ctx context.Context) (_ snapshot, _ int, err error) {
	if err := e.runnable(); err != nil {
		return nil, 0, err
	}
	below, err := e.below()
	if err != nil {
		return nil, 0, err
	}
	d, err := e.draft(below)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, d.discard()) }()
	if err := e.command(ctx, d); err != nil {
		return nil, 0, err
	}
	layers, err := e.commit(ctx, d)
	return layers, len(below), err
}

// command runs the command on a draft.
func (e *execution) command(ctx context.Context, d *draft) (err error) {
	o, err := e.overlay(d.below)
	if err != nil {
		return err
	}
	o.Upper, o.Work = d.upper(), d.work()
	m := &mounts{execution: e, dir: filepath.Join(d.dir, "mounts"), caches: map[*pb.Mount]*cacheMount{}}
	defer func() { err = errors.Join(err, m.close()) }()
	c, err := e.container()
	if err != nil {
		return err
	}
	if err := m.add(ctx, c); err != nil {
		return err
	}
	o.Lower = append(o.Lower, m.places())
	code, err := e.watched(ctx, libpod.Step{Spec: c, Root: *o, RunDir: filepath.Join(d.dir, "run"), Enter: m.enter})
	if err == nil && code != 0 && !slices.Contains(e.op.Meta.ValidExitCodes, int32(code)) {
		err = &ExitError{Args: e.op.Meta.Args, Code: code}
	}
	return err
}

// watched runs a step and shows what it writes.
func (e *execution) watched(ctx context.Context, s libpod.Step) (code int, err error) {
	out, err := pump(e.log.output(1))
	if err != nil {
		return 0, err
	}
	errs, err := pump(e.log.output(2))
	if err != nil {
		return 0, errors.Join(err, out.close())
	}
	s.Stdio = runtime.Stdio{Stdin: e.opts.Stdin, Stdout: out.end, Stderr: errs.end}
	code, warnings, err := e.engine.RunStep(ctx, s)
	for _, w := range warnings {
		fmt.Fprintln(e.log.output(2), "moss: warning: "+w)
	}
	return code, errors.Join(err, out.close(), errs.close())
}

// stream is a pipe whose end a step writes to.
type stream struct {
	end  *os.File
	from *os.File
	done chan error
}

func pump(to io.Writer) (*stream, error) {
	from, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &stream{end: end, from: from, done: make(chan error, 1)}
	go func() {
		_, err := io.Copy(to, from)
		s.done <- err
	}()
	return s, nil
}

// close waits until all that was written has been read.
func (s *stream) close() error {
	return errors.Join(s.end.Close(), <-s.done, s.from.Close())
}

// container describes the step: what the flags say of all steps, and what this one says.
func (e *execution) container() (*spec.Container, error) {
	c := e.opts.Step
	meta := e.op.Meta
	c.Command, c.WorkDir, c.User = meta.Args, meta.Cwd, meta.User
	c.Env = append(spec.WellFormed(meta.Env), proxies(meta.ProxyEnv)...)
	c.Image.Kin = host.Kin(platformOf(e.v.Op.Platform).Architecture)
	c.NoHTTPProxy = true // those that the build was given are in the operation
	if meta.Hostname != "" {
		c.Hostname = meta.Hostname
	}
	c.AddHosts = slices.Clone(c.AddHosts)
	for _, h := range meta.ExtraHosts {
		c.AddHosts = append(c.AddHosts, h.Host+":"+h.IP)
	}
	c.Rlimits = maps.Clone(c.Rlimits)
	if c.Rlimits == nil {
		c.Rlimits = map[string]spec.Rlimit{}
	}
	for _, u := range meta.Ulimit {
		c.Rlimits[u.Name] = spec.Rlimit{Soft: u.Soft, Hard: u.Hard}
	}
	c.Mounts.List = slices.Clone(c.Mounts.List)
	return &c, e.entitle(&c)
}

// What a Dockerfile may only have when the build allows it.
const (
	AllowInsecure    = "security.insecure"
	AllowHostNetwork = "network.host"
)

// entitle gives the step the network and the rights that it asks for, if it may have them.
func (e *execution) entitle(c *spec.Container) error {
	switch e.op.Network {
	case pb.NetMode_NONE:
		c.Network.Mode = spec.NetworkNone
	case pb.NetMode_HOST:
		if c.Network.Mode != spec.NetworkHost && !slices.Contains(e.opts.Allow, AllowHostNetwork) {
			return errdefs.Errorf(errdefs.ErrDenied, "cannot run a command with --network=host: that must be allowed with --allow %s", AllowHostNetwork)
		}
		c.Network.Mode = spec.NetworkHost
	}
	if e.op.Security == pb.SecurityMode_INSECURE {
		if !slices.Contains(e.opts.Allow, AllowInsecure) {
			return errdefs.Errorf(errdefs.ErrDenied, "cannot run a command with --security=insecure: that must be allowed with --allow %s", AllowInsecure)
		}
		c.Privileged = true
	}
	return e.addDevices(c)
}

func proxies(p *pb.ProxyEnv) []string {
	var env []string
	if p == nil {
		return nil
	}
	for _, one := range []struct{ name, value string }{
		{"HTTP_PROXY", p.HttpProxy}, {"HTTPS_PROXY", p.HttpsProxy}, {"FTP_PROXY", p.FtpProxy}, {"NO_PROXY", p.NoProxy}, {"ALL_PROXY", p.AllProxy},
	} {
		if one.value != "" {
			env = append(env, one.name+"="+one.value, strings.ToLower(one.name)+"="+one.value)
		}
	}
	return env
}
