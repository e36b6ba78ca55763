package libpod

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/libpod/monitor"
	"github.com/mosscontainers/moss/libpod/runtime"
	"github.com/mosscontainers/moss/libpod/seccomp"
	"github.com/mosscontainers/moss/libpod/state"
	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
	"github.com/mosscontainers/moss/pkg/spec"
	"github.com/mosscontainers/moss/storage"
)

// bundleFile, in the run directory, is the runtime.Bundle that the container was started with: exec
// does what it says.
const bundleFile = "bundle.json"

// StartOptions say who is attached from the first byte on.
type StartOptions struct {
	// Attach is a connection's other end (monitor.Pair): nil without.
	Attach *os.File
	// Image is the container's, when it is known already.
	Image *storage.Image
	// Monitor was started by Spawn for this container; nil when there is none. Start uses it up.
	Monitor *Monitor
	// More are descriptors for the container's process, from 3 on, and Env is what it alone is told of them.
	More []*os.File
	Env  []string

	network *pendingNetwork // nil begins with Start
}

// Start runs a container that was created or has ended, and returns once its command has been executed. Warnings
// are about limits that cannot be applied.
func (e *Engine) Start(ctx Context, id string, opts StartOptions) (warnings []string, err error) {
	begun := false
	err = e.Store.Transact(ctx, id, state.OpStart, func(ctx Context, l *state.Locked) error {
		begun = true
		warnings, err = e.start(ctx, l, opts)
		return err
	})
	if !begun {
		err = errors.Join(err, opts.Monitor.Close())
	}
	return warnings, err
}

// launch is one start of a container, while it is put together.
type launch struct {
	*Engine
	l        *state.Locked // nil for a step
	record   *state.Record
	c        *spec.Container
	image    *storage.Image // nil until it is needed
	facts    host.Facts
	runDir   string
	lender   string             // run directory of the container whose network is shared
	owners   []*state.Container // of the namespaces that are shared
	hostname string
	zone     []byte // timezone
	volumes  map[string]spec.VolumeSource
	req      monitor.Request
	network  *pendingNetwork
	more     []*os.File // of StartOptions
	env      []string
	keep     []*os.File     // what must stay open while the container lives
	close    []func() error // what this process opened for the monitor
	warnings []string
}

func (e *Engine) start(ctx Context, l *state.Locked, opts StartOptions) (warnings []string, err error) {
	s := &launch{Engine: e, l: l, record: &l.State, c: l.Spec, image: opts.Image, runDir: e.runDir(l.Spec.ID), more: opts.More, env: opts.Env}
	defer func() {
		for _, release := range s.close {
			err = errors.Join(err, release())
		}
	}()
	m := opts.Monitor
	if m == nil {
		if m, err = e.Spawn(ctx, s.c); err != nil {
			return nil, err
		}
	}
	if s.network = opts.network; s.network == nil {
		s.network, err = e.makeNetwork(ctx, s.c, l.State.Network.Endpoints)
	}
	s.close = append(s.close, s.network.abandon)
	// What does not depend on the network is done while it is made.
	if err == nil {
		err = s.prepare(ctx, m.handle.Pid())
	}
	if err == nil {
		err = s.show(ctx)
	}
	if err == nil {
		err = s.setUpAndConnect(ctx, m.handle, opts.Attach)
	}
	if err == nil {
		err = s.run(ctx, m.handle)
	}
	if err != nil {
		return nil, errors.Join(s.blame(err), m.Close(), s.undo())
	}
	s.tellManager(m.handle.Pid())
	return s.warnings, m.release()
}

// bundle is what the container sees and where it runs, but for its root. pid is that of the process that keeps it: its monitor, or for a
// step the caller.
func (s *launch) bundle(ctx Context, pid int) (*runtime.Bundle, error) {
	var err error
	if s.facts, err = s.Facts(); err != nil {
		return nil, err
	}
	s.place(ctx, pid)
	if err := os.MkdirAll(s.runDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the run directory of container %s: %w", s.c.Name, err)
	}
	inputs, err := s.inputs()
	if err == nil {
		err = s.makeFiles()
	}
	if err != nil {
		return nil, err
	}
	config, warnings, err := s.c.OCI(s.facts, inputs)
	if err != nil {
		return nil, err
	}
	s.warnings = append(s.warnings, warnings...)
	if err := s.addNamedDevices(config); err != nil {
		return nil, err
	}
	b := &runtime.Bundle{
		ID: s.c.ID, Spec: config, User: s.c.User, Groups: s.c.Groups, Init: s.c.Init, RunDir: s.runDir, CopyUp: s.copyUps(),
		Chown: s.chowns(), Subpaths: s.subpaths(),
	}
	return b, s.confine(ctx, config, b)
}

// prepare puts together what the container sees and where it runs, for the monitor with this pid.
func (s *launch) prepare(ctx Context, pid int) (err error) {
	if err := s.l.MoveRunDir(s.runDir); err != nil {
		return err
	}
	bundle, err := s.bundle(ctx, pid)
	if err != nil {
		return err
	}
	if bundle.Overlay, err = s.overlay(); err != nil {
		return err
	}
	s.l.State.Cgroup = bundle.Spec.Linux.CgroupsPath
	if s.req.Bundle, err = bundle.Encode(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.runDir, bundleFile), s.req.Bundle, 0o600); err != nil {
		return errdefs.NoSpace(fmt.Errorf("cannot start container %s: %w", s.c.Name, err))
	}
	if s.asked() {
		s.env = append(s.env, "NOTIFY_SOCKET="+notifyTarget)
	}
	if len(s.env) > 0 { // what is executed in the container later is not told
		replaced := func(e string) bool {
			name, _, _ := strings.Cut(e, "=")
			return slices.ContainsFunc(s.env, func(own string) bool { return strings.HasPrefix(own, name+"=") })
		}
		bundle.Spec.Process.Env = append(slices.DeleteFunc(bundle.Spec.Process.Env, replaced), s.env...)
		s.req.Bundle, err = bundle.Encode()
	}
	return err
}

// show lets everybody see the container, and then makes sure that what it needs is still there.
func (s *launch) show(ctx Context) error {
	if err := s.l.Commit(); err != nil {
		return err
	}
	if err := s.makeScratch(); err != nil {
		return err
	}
	if !s.c.Remove {
		return s.repin(ctx, s.c)
	}
	return nil
}

// setUpAndConnect has the monitor set the container up while its network is being completed, unless that would notice.
func (s *launch) setUpAndConnect(ctx Context, handle *monitor.Handle, attach *os.File) error {
	if s.seesInterfaces() {
		if err := s.connect(ctx, handle.Pid()); err != nil {
			return err
		}
		return s.setUp(ctx, handle, attach)
	}
	if err := s.setUp(ctx, handle, attach); err != nil {
		return err
	}
	return s.connect(ctx, handle.Pid())
}

// seesInterfaces says whether setting the container up has to do with its interfaces: there are kernel parameters of theirs, and an OCI runtime
// has hooks.
func (s *launch) seesInterfaces() bool {
	for name := range s.c.Sysctls {
		if strings.Contains(name, "conf") || strings.Contains(name, "neigh") {
			return true
		}
	}
	return !usesOwnLauncher(s.c)
}

// setUp tells the monitor to set the container up.
func (s *launch) setUp(ctx Context, handle *monitor.Handle, attach *os.File) error {
	if err := s.request(); err != nil {
		return err
	}
	// The monitor of the life before has told its end, and may be unmounting: a layer is mounted but once.
	if _, err := waitProcess(ctx, s.record.Monitor, unmountTime); err != nil {
		return err
	}
	return handle.Send(&s.req, monitor.Passed{Attach: attach, RecordLock: s.l.Lock(), NetNS: s.network.namespace(), More: s.more})
}

// run tells the monitor of the network and waits until the container's command has been executed.
func (s *launch) run(ctx Context, handle *monitor.Handle) error {
	wiring, err := s.monitorWiring()
	if err != nil {
		return err
	}
	if err := handle.Connect(wiring, s.keep...); err != nil {
		return err
	}
	_, err = handle.Start(ctx)
	return err
}

// unmountTime is how long a start waits for the unmounting of the life before. The kernel would mount it twice, and warn.
const unmountTime = 10 * time.Second

// request completes what the monitor is told first: what becomes of the container.
func (s *launch) request() (err error) {
	r := &s.req
	r.ContainerID, r.RunDir, r.StateDir = s.c.ID, s.runDir, s.Store.Dir
	r.Terminal, r.OpenStdin, r.StdinOnce = s.c.Terminal, s.c.OpenStdin, true
	r.Log = monitor.Log{Driver: s.c.LogDriver, Path: s.logPath(), MaxSize: s.c.LogMaxSize, MaxFiles: s.c.LogMaxFiles}
	r.Restart = monitor.Restart{Policy: s.c.Restart.Policy, Retries: int(s.c.Restart.Retries)}
	r.Remove, r.DozeAfter = s.c.Remove, dozeAfter().Milliseconds()
	if r.Trees = []string{s.runDir}; s.c.Remove {
		r.Volumes = s.c.AnonymousVolumes()
	}
	r.PIDFile, r.MonitorPIDFile = s.c.PIDFile, s.c.MonitorPIDFile
	if s.asked() {
		r.Notify = s.manager()
	}
	r.Runtime, err = s.runtimePath()
	return err
}

// dozeAfter is for how long nothing must happen to a container before its monitor gives up its memory: MOSS_DOZE seconds, 0 for never.
func dozeAfter() time.Duration {
	const usual = 10 * time.Second
	seconds, err := strconv.ParseFloat(os.Getenv("MOSS_DOZE"), 64)
	if err != nil || seconds < 0 {
		return usual
	}
	return time.Duration(seconds * float64(time.Second))
}

// monitorWiring is what the monitor is told once the container is connected.
func (s *launch) monitorWiring() (w *monitor.Wiring, err error) {
	w = &monitor.Wiring{Cleanup: s.l.State.Cleanup}
	if len(s.keep) > 0 {
		w.Care = s.launchCare()
	}
	if w.Ports, err = s.publication(); err == nil {
		w.Record, err = s.l.Running()
	}
	return w, err
}

// undo takes back what a start that failed has made outside of the record.
func (s *launch) undo() error {
	s.l.Unlink()
	// A monitor that was killed has left the container's group.
	return errors.Join(runtime.RemoveCgroup(s.l.State.Cgroup), os.RemoveAll(s.runDir))
}

func (s *launch) overlay() (*runtime.Overlay, error) {
	if s.c.Image.Rootfs != "" {
		return nil, nil
	}
	img := s.image
	if img == nil {
		var err error
		if img, err = storage.Resolve(s.Config, s.c.Image.ID); err != nil {
			return nil, fmt.Errorf("cannot start container %s: %w", s.c.Name, err)
		}
	}
	places, err := s.mountPoints()
	if err != nil {
		return nil, err
	}
	return &runtime.Overlay{
		Home: img.Home, Lower: append(slices.Clone(img.Lower), places),
		Upper: filepath.Join(s.l.Dir, upperDir), Work: filepath.Join(s.l.Dir, workDir),
		UserXattr: s.facts.OverlayUserXattr(), Volatile: s.c.Remove, ReadOnly: false,
	}, nil
}

// copyUps are the volumes to fill from the image.
func (s *launch) copyUps() []runtime.CopyUp {
	var out []runtime.CopyUp
	for _, m := range s.c.Mounts.List {
		from := s.volumes[m.Source]
		if m.Type == spec.MountVolume && m.Subpath == "" && !m.NoCopy && !m.Overlay && !from.NoCopy && !from.Memory {
			out = append(out, runtime.CopyUp{Volume: from.Dir, Filling: filepath.Join(s.volumeDir(m.Source), volumeFilling), Target: m.Target})
		}
	}
	return out
}

// chowns are the targets of the mounts whose files are to be the container's user's.
func (s *launch) chowns() []string {
	var targets []string
	for _, m := range s.c.Mounts.List {
		if m.Chown {
			targets = append(targets, m.Target)
		}
	}
	return targets
}

// subpaths are the parts of volumes that are mounted alone, by the mounts' targets.
func (s *launch) subpaths() map[string]string {
	var parts map[string]string
	for _, m := range s.c.Mounts.List {
		if m.Subpath == "" {
			continue
		}
		if parts == nil {
			parts = map[string]string{}
		}
		parts[m.Target] = m.Subpath
	}
	return parts
}

// confine gives our own launcher the compiled seccomp filter, or an OCI runtime the profile.
func (s *launch) confine(ctx Context, config *specs.Spec, b *runtime.Bundle) (err error) {
	profile, confined := s.c.SeccompProfile()
	if !confined {
		return nil
	}
	caps := config.Process.Capabilities.Bounding
	opts := seccomp.Options{Dir: filepath.Join(s.Store.Dir, "seccomp"), SingleID: s.facts.SingleID(), Kin: s.c.Image.Kin}
	if !usesOwnLauncher(s.c) {
		config.Linux.Seccomp, err = seccomp.OCI(profile, caps, opts)
		return err
	}
	b.Seccomp, err = seccomp.Compile(ctx, profile, caps, opts)
	return err
}

func (s *launch) logPath() string {
	if s.c.LogPath != "" {
		return s.c.LogPath
	}
	return filepath.Join(s.l.Dir, logFile)
}

// runtimePath is the OCI runtime that the user chose, "" for our own launcher.
func (s *launch) runtimePath() (string, error) {
	if usesOwnLauncher(s.c) {
		return "", nil
	}
	name := s.c.Runtime
	for _, path := range append(s.Config.Containers.Runtimes[name], name) {
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", errdefs.Errorf(errdefs.ErrNotFound, "cannot find the OCI runtime %q: install it, or give its path with --runtime", name)
}
