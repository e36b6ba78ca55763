package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// NewOCI is a launcher that runs an OCI runtime such as runc or crun: binary is a path, or a name to look for in PATH.
//
// The caller is in a mount namespace of its own, because the root file system is mounted there, and is a child
// subreaper, because the container's first process is an orphan of the runtime's. spare is as Own.Spare.
func NewOCI(binary string, spare func() []int) Launcher { return &oci{binary, spare} }

type oci struct {
	binary string
	spare  func() []int
}

// ociProcess is a container in the hands of a runtime.
type ociProcess struct {
	runtime *oci
	bundle  *Bundle
	pid     int
	console *os.File
	ownPIDs bool
}

// oldestVersion is the one of the specification that every runtime knows: crun up to 1.8 takes 1.0 alone. What is newer in a configuration, they read or
// pass over, whatever it calls itself.
const oldestVersion = "1.0.2"

func (l *oci) Create(ctx context.Context, e Encoded, io Stdio, netns *os.File) (_ Process, err error) {
	b, err := e.Decode()
	if err != nil {
		return nil, err
	}
	if b.Init {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use --init with the runtime %s: it has none", l.binary)
	}
	spec := *b.Spec
	spec.Version = oldestVersion
	p := &ociProcess{runtime: l, bundle: b, ownPIDs: hasFresh(&spec, specs.PIDNamespace)}
	if len(b.Chown) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use the option U of a mount with the runtime %s: only our own launcher changes owners", l.binary)
	}
	if len(b.Subpaths) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot mount a part of a volume with the runtime %s: only our own launcher keeps to the volume", l.binary)
	}
	if err := p.forget(); err != nil { // what a monitor left that was killed
		return nil, err
	}
	if err := p.mountRoot(&spec); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = joinErrors(err, p.Delete())
		}
	}()
	if err := p.resolve(&spec); err != nil {
		return nil, err
	}
	if netns != nil {
		spec.Linux = withNetwork(spec.Linux, netns)
	}
	drop, err := bringForeign(&spec, b.RunDir)
	if err != nil {
		return nil, err
	}
	if err = p.writeConfig(&spec); err == nil {
		err = p.create(ctx, io, spec.Process.Terminal)
	}
	return p, joinErrors(err, drop())
}

// Ready has nothing to wait for: create(8) of a runtime returns when everything is set up.
func (p *ociProcess) Ready(context.Context) error { return nil }

// mountRoot mounts the root directory and fills the volumes, which a runtime does not.
func (p *ociProcess) mountRoot(spec *specs.Spec) error {
	target := mountPoint(p.bundle.RunDir)
	if err := os.MkdirAll(target, 0o700); err != nil {
		return fmt.Errorf("cannot make a place for the root file system: %w", err)
	}
	root := specs.Root{}
	if spec.Root != nil {
		root = *spec.Root
	}
	if o := p.bundle.Overlay; o != nil {
		if err := o.mount(target); err != nil {
			return err
		}
		root.Path, root.Readonly = target, root.Readonly || o.ReadOnly
	}
	spec.Root = &root
	return nil
}

// resolve looks up in the root directory what a runtime wants as numbers.
func (p *ociProcess) resolve(spec *specs.Spec) error {
	dir, err := os.OpenFile(spec.Root.Path, sys.OPath|sys.ODirectory, 0)
	if err != nil {
		return fmt.Errorf("cannot open the root file system: %w", err)
	}
	defer dir.Close()
	r := &rootfs{root: dir}
	for _, c := range p.bundle.CopyUp {
		if err := r.copyUp(c); err != nil {
			return err
		}
	}
	process := *spec.Process
	s := &stage{root: dir, proc: &process}
	if err := s.resolveUser(p.bundle.User, p.bundle.Groups); err != nil {
		return err
	}
	process.User.UID, process.User.GID = uint32(s.user.uid), uint32(s.user.gid)
	process.User.AdditionalGids = s.user.groups
	if s.user.keep {
		if filepath.Base(p.runtime.binary) != "crun" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot keep groups with the runtime %s: only our own launcher and crun can", p.runtime.binary)
		}
		spec.Annotations = maps.Clone(spec.Annotations)
		if spec.Annotations == nil {
			spec.Annotations = map[string]string{}
		}
		spec.Annotations["run.oci.keep_original_groups"] = "1" // crun(1)
	}
	spec.Process = &process
	return nil
}

// withNetwork replaces the network namespace by the open one.
func withNetwork(l *specs.Linux, netns *os.File) *specs.Linux {
	c := *l
	c.Namespaces = slices.DeleteFunc(slices.Clone(l.Namespaces), func(n specs.LinuxNamespace) bool {
		return n.Type == specs.NetworkNamespace
	})
	c.Namespaces = append(c.Namespaces, specs.LinuxNamespace{
		Type: specs.NetworkNamespace,
		Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), netns.Fd()),
	})
	return &c
}

func (p *ociProcess) writeConfig(spec *specs.Spec) error {
	b, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("cannot encode the container's configuration: %w", err)
	}
	return os.WriteFile(filepath.Join(p.bundle.RunDir, "config.json"), b, 0o600)
}

func (p *ociProcess) create(ctx context.Context, io Stdio, terminal bool) error {
	pidFile := filepath.Join(p.bundle.RunDir, "pid")
	args := []string{"create", "--bundle", p.bundle.RunDir, "--pid-file", pidFile}
	var console *consoleSocket
	if terminal {
		var err error
		if console, err = listenConsole(p.bundle.RunDir); err != nil {
			return err
		}
		defer console.close()
		args = append(args, "--console-socket", console.path)
	}
	if len(io.More) > 0 {
		args = append(args, "--preserve-fds", strconv.Itoa(len(io.More)))
	}
	if err := p.runtime.run(ctx, p.bundle, io, append(args, p.bundle.ID)...); err != nil {
		return err
	}
	b, err := os.ReadFile(pidFile)
	if err == nil {
		p.pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err != nil {
		return fmt.Errorf("cannot read what process the container has: %w", err)
	}
	if terminal {
		p.console, err = console.receive()
	}
	return err
}

// run runs the runtime to its end. Its log is a file, so that the container inherits nothing that we would wait on.
func (l *oci) run(ctx context.Context, b *Bundle, io Stdio, args ...string) error {
	log := filepath.Join(b.RunDir, "log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		return err
	}
	global := []string{"--root", filepath.Join(b.RunDir, "runtime"), "--log", log, "--log-format", "json"}
	cmd := exec.CommandContext(ctx, l.binary, append(global, args...)...)
	if io.Stdin != nil { // a nil *os.File in an interface is not nil
		cmd.Stdin = io.Stdin
	}
	if io.Stdout != nil {
		cmd.Stdout = io.Stdout
	}
	if io.Stderr != nil {
		cmd.Stderr = io.Stderr
	}
	cmd.ExtraFiles = io.More
	err := cmd.Run()
	if err == nil {
		return nil
	}
	return l.explain(log, err)
}

// explain makes an error of the last thing that the runtime logged.
func (l *oci) explain(log string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "cannot use the runtime %s: %w", l.binary, err)
	}
	text := err.Error()
	b, readErr := os.ReadFile(log)
	if readErr != nil {
		return joinErrors(err, readErr)
	}
	for line := range bytes.Lines(b) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal(line, &entry) == nil && entry.Level == "error" {
			text = entry.Msg
		}
	}
	name := filepath.Base(l.binary)
	switch {
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory") && strings.Contains(text, "exec"):
		return errdefs.Errorf(errdefs.ErrNoCommand, "cannot run the command in the container: %s: %s", name, text)
	case strings.Contains(text, "permission denied") && strings.Contains(text, "exec"),
		strings.Contains(text, "exec format error"), strings.Contains(text, "is a directory"):
		return errdefs.Errorf(errdefs.ErrNotExecutable, "cannot run the command in the container: %s: %s", name, text)
	}
	return fmt.Errorf("cannot run the container: %s: %s", name, text)
}

func (p *ociProcess) Pid() int { return p.pid }

func (p *ociProcess) Console() *os.File { return p.console }

func (p *ociProcess) Start() error {
	return p.runtime.run(context.Background(), p.bundle, Stdio{}, "start", p.bundle.ID)
}

func (p *ociProcess) Wait() (int, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("cannot wait for process %d: %w", p.pid, err)
		}
		if p.ownPIDs {
			return exitCode(status), nil
		}
		return exitCode(status), killChildren(p.runtime.spare)
	}
}

// OOMKilled says, once the process has ended, whether the container ran out of memory.
func (p *ociProcess) OOMKilled() bool {
	group, err := openCgroup(p.bundle.Spec.Linux.CgroupsPath, cgroupResources(nil))
	return err == nil && group.oomKilled()
}

// forget removes what the runtime knows of the container, and its cgroup.
func (p *ociProcess) forget() error {
	if _, err := os.Stat(filepath.Join(p.bundle.RunDir, "runtime", p.bundle.ID)); err != nil {
		return nil
	}
	return p.runtime.run(context.Background(), p.bundle, Stdio{}, "delete", "--force", p.bundle.ID)
}

func (p *ociProcess) Delete() error {
	errs := []error{p.forget()}
	if p.bundle.Overlay != nil {
		err := sys.Unmount(mountPoint(p.bundle.RunDir))
		if !isErrno(err, syscall.EINVAL) { // it was never mounted
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
