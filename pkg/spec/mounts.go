package spec

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Mounts is everything mounted into the container, and the devices it is given.
type Mounts struct {
	List []Mount `json:"mounts,omitempty"`
	// VolumesFrom are the containers whose mounts are in List too.
	VolumesFrom []VolumesFrom `json:"volumesFrom,omitempty"`
	ReadOnly    bool          `json:"readOnly,omitempty"` // the root file system
	// NoReadOnlyTmpfs leaves a read-only container without writable /run, /tmp and /var/tmp.
	NoReadOnlyTmpfs bool     `json:"noReadOnlyTmpfs,omitempty"`
	ShmSize         int64    `json:"shmSize,omitempty"` // bytes; 0 is 64 MiB
	Devices         []Device `json:"devices,omitempty"`
	// DeviceRules are about devices that come later: those that the container makes itself.
	DeviceRules []DeviceRule `json:"deviceRules,omitempty"`
}

// MountType is the kind of a mount.
type MountType string

// The kinds of mounts.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
	MountImage  MountType = "image" // its files, and nothing of its configuration
)

// The two directories of an upper layer, in one that Inputs.Scratch names.
const (
	ScratchUpper = "diff"
	ScratchWork  = "work"
)

// Mount is one -v, --mount or --tmpfs. For a volume Source is the volume's name (made at create when it
// was empty, and then Anonymous); for a bind it is an absolute path of the host, for an image what somebody called it.
type Mount struct {
	Type     MountType `json:"type"`
	Source   string    `json:"source,omitempty"`
	ImageID  string    `json:"imageID,omitempty"` // of an image, found at create
	Target   string    `json:"target"`            // absolute, clean
	ReadOnly bool      `json:"readOnly,omitempty"`
	Options  []string  `json:"options,omitempty"` // propagation, exec, size=…, mode=…, as mount(8) writes them
	// WritableBelow leaves what is mounted below the source of a read-only bind as it is, which is read-only too otherwise, as Docker has it.
	WritableBelow bool `json:"writableBelow,omitempty"`
	NoCopy        bool `json:"noCopy,omitempty"` // a volume is not filled from the image
	// Chown gives everything in the mount to the user of the container's process, each time that it starts.
	Chown bool `json:"chown,omitempty"`
	// Overlay lets the container write to a layer over the source, which is thrown away with each start.
	Overlay   bool `json:"overlay,omitempty"`
	Anonymous bool `json:"anonymous,omitempty"`
	// Subpath is the part of a volume or an image that is mounted: relative and clean. It must be there.
	Subpath string `json:"subpath,omitempty"`
	// Labels and VolumeOptions are those of the volume, where it is not there and is made.
	Labels        map[string]string `json:"labels,omitempty"`
	VolumeOptions map[string]string `json:"volumeOptions,omitempty"`
	// Optional mounts come from the image (VOLUME): a user's mount on the same target replaces one.
	Optional bool `json:"optional,omitempty"`
}

const defaultShm = 64 << 20

// AddFlags declares the flags of mounts and devices.
func (m *Mounts) AddFlags(fs *pflag.FlagSet) {
	addList(fs, &m.List, "volume", "v", "mount a directory or a `volume`: [SOURCE:]TARGET[:OPTIONS]", parseVolumeHere)
	addFlag(fs, "mount", "", "list", "", "mount a `file system`: type=bind|volume|tmpfs|image|glob,source=…,target=…", m.setMount)
	addList(fs, &m.VolumesFrom, "volumes-from", "", "mount what another `container` has mounted: CONTAINER[:ro|rw]", parseVolumesFrom)
	addList(fs, &m.List, "tmpfs", "", "mount a `tmpfs`: TARGET[:OPTIONS]", parseTmpfs)
	fs.BoolVar(&m.ReadOnly, "read-only", false, "mount the root file system read-only")
	fs.VarPF(&negated{&m.NoReadOnlyTmpfs}, "read-only-tmpfs", "", "with --read-only, keep /run, /tmp and /var/tmp writable").NoOptDefVal = "true"
	addBytes(fs, &m.ShmSize, "shm-size", "", "64m", "`size` of /dev/shm")
	addList(fs, &m.Devices, "device", "", "give the container a `device`: HOST[:CONTAINER][:rwm], or a name of the Container Device Interface", parseDevice)
	addList(fs, &m.DeviceRules, "device-cgroup-rule", "", "let the container use devices: `'c|b|a MAJOR:MINOR rwm'`", parseDeviceRule)
}

// settle takes over what the description leaves open, and the mounts and devices whose places it has nothing at.
func (m *Mounts) settle(d *Mounts) {
	m.ReadOnly = m.ReadOnly || d.ReadOnly
	m.ShmSize = cmp.Or(m.ShmSize, d.ShmSize)
	m.add(d.List)
	for _, one := range d.Devices {
		if !slices.ContainsFunc(m.Devices, func(o Device) bool { return o.Container == one.Container && o.Name == one.Name }) {
			m.Devices = append(m.Devices, one)
		}
	}
}

// add mounts more, where nothing is mounted yet but what the image asks for.
func (m *Mounts) add(more []Mount) {
	for _, one := range more {
		at := slices.IndexFunc(m.List, func(o Mount) bool { return o.Target == one.Target })
		switch {
		case at < 0:
			m.List = append(m.List, one)
		case m.List[at].Optional:
			m.List[at] = one
		}
	}
}

func parseVolumeHere(s string) (Mount, error) {
	dir, err := os.Getwd()
	if err != nil {
		dir = "" // only a relative path needs it
	}
	return parseVolume(s, dir)
}

func (m *Mounts) setMount(s string) error {
	dir, err := os.Getwd()
	if err != nil {
		dir = ""
	}
	found, err := parseMount(s, dir)
	m.List = append(m.List, found...)
	return err
}

// AnonymousVolumes are the names of the volumes that were made for the container alone.
func (m *Mounts) AnonymousVolumes() (names []string) {
	for _, one := range m.List {
		if one.Type == MountVolume && one.Anonymous {
			names = append(names, one.Source)
		}
	}
	return names
}

// mountedImages are the ids of the images that are mounted besides the container's own.
func (m *Mounts) mountedImages() (ids []string) {
	for _, one := range m.List {
		if one.Type == MountImage && one.ImageID != "" {
			ids = append(ids, one.ImageID)
		}
	}
	return ids
}

// Validate checks mounts and devices.
func (m *Mounts) Validate() error {
	targets := map[string]bool{}
	for _, one := range m.List {
		if err := one.validate(); err != nil {
			return err
		}
		if targets[one.Target] {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount two things on %s: leave one of them out", one.Target)
		}
		targets[one.Target] = true
	}
	if m.ShmSize < 0 {
		return invalid("shm-size", fmt.Sprint(m.ShmSize), "want a size such as 64m")
	}
	for _, d := range m.Devices {
		if err := d.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (m Mount) validate() error {
	for _, name := range []string{m.Source, m.Target, m.Subpath} {
		if !utf8.ValidString(name) {
			return errdefs.Errorf(errdefs.ErrInvalid, "the name %q is no UTF-8: mount the directory that it is in, or a link to it", name)
		}
	}
	if !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount on %q: want an absolute path inside the container", m.Target)
	}
	if m.Target == "/" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount on /: that is the container's root file system")
	}
	switch m.Type {
	case MountBind:
		if !path.IsAbs(m.Source) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount %q on %s: want an absolute path of the host", m.Source, m.Target)
		}
		if m.Chown && precious(m.Source) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the option U on %s: it would give all of %s to the container's user; name a directory in it", m.Target, m.Source)
		}
	case MountVolume:
		if m.Source != "" && !volumeName(m.Source) {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount volume %q on %s: a name has letters, digits, dots, hyphens and underscores only; a directory starts with / or ./", m.Source, m.Target)
		}
	case MountTmpfs:
		if m.Overlay {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the option O for the tmpfs on %s: it is empty at each start anyway", m.Target)
		}
	case MountImage:
		if m.Source == "" {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount an image on %s: the source is missing, which is the image's name or id", m.Target)
		}
		if m.Chown && !m.Overlay {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the option U for the image on %s, which is read-only: add rw", m.Target)
		}
	default:
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount %q on %s: the types are bind, volume, tmpfs, image and glob", m.Type, m.Target)
	}
	if err := m.checkVolume(); err != nil {
		return err
	}
	if m.Overlay && m.ReadOnly {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot use the options O and ro together on %s: O is for writing, to a layer that is thrown away", m.Target)
	}
	return m.checkOptions()
}

// systemDirs are those whose owners a system cannot do without, besides the root directory: hier(7).
var systemDirs = []string{
	"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv",
	"/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/tmp",
}

// precious says whether others than containers need the owners of what is in a directory of the host: it is one of the system's, or
// the caller's home, or has that below it.
func precious(dir string) bool {
	home, err := os.UserHomeDir()
	return dir == "/" || slices.Contains(systemDirs, dir) || err == nil && strings.HasPrefix(path.Clean(home)+"/", dir+"/")
}

// volumeName follows Podman and Docker: [a-zA-Z0-9][a-zA-Z0-9_.-]*.
func volumeName(s string) bool {
	for i, r := range s {
		plain := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !plain && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// Apply writes the mounts, those that every container has among them, in the order in which they must
// be made.
func (m *Mounts) Apply(s *specs.Spec, f host.Facts, in Inputs) ([]string, error) {
	s.Root.Readonly = m.ReadOnly
	all := m.defaults(s, f, in)
	if f.NoMQueue && m.bindsDev() {
		all = slices.DeleteFunc(all, func(one specs.Mount) bool { return one.Destination == "/dev/mqueue" })
	}
	all = place(all, m.files(in)...)
	for _, one := range m.List {
		oci, err := one.oci(f, in)
		if err != nil {
			return nil, err
		}
		all = place(all, oci)
		propagate(s, oci.Options)
	}
	// A mount below another must come after it; otherwise the order is the one given.
	slices.SortStableFunc(all, func(a, b specs.Mount) int { return cmp.Compare(depth(a.Destination), depth(b.Destination)) })
	s.Mounts = all
	return nil, m.applyDevices(s, f, in)
}

// bindsDev says that the container's /dev is a directory of the host's, most likely its /dev, where no place for a mount can be made.
func (m *Mounts) bindsDev() bool {
	return slices.ContainsFunc(m.List, func(one Mount) bool { return one.Target == "/dev" && one.Type == MountBind })
}

func depth(target string) int { return strings.Count(target, "/") }

// place adds mounts; each takes the place of one that has its target already.
func place(all []specs.Mount, more ...specs.Mount) []specs.Mount {
	for _, one := range more {
		i := slices.IndexFunc(all, func(m specs.Mount) bool { return m.Destination == one.Destination })
		if i >= 0 {
			all[i] = one
			continue
		}
		all = append(all, one)
	}
	return all
}

func (m *Mounts) files(in Inputs) []specs.Mount {
	var files []specs.Mount
	for target, source := range in.Files {
		options := []string{"bind", "rprivate", "nosuid", "nodev"}
		if m.ReadOnly {
			options = append(options, "ro")
		}
		files = append(files, specs.Mount{Destination: target, Source: source, Type: "bind", Options: options})
	}
	slices.SortFunc(files, func(a, b specs.Mount) int { return cmp.Compare(a.Destination, b.Destination) })
	return files
}

func (m Mount) oci(f host.Facts, in Inputs) (specs.Mount, error) {
	out := specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source, Options: slices.Clone(m.Options)}
	switch m.Type {
	case MountTmpfs:
		out.Type, out.Source = "tmpfs", "tmpfs"
		out.Options = append([]string{"nosuid", "nodev"}, out.Options...)
	case MountVolume:
		if err := m.volume(&out, in); err != nil {
			return out, err
		}
	}
	switch {
	case m.Type == MountImage:
		out = m.overlay(in.Images[m.Target], f, in)
	case m.Overlay:
		out = m.overlay([]string{out.Source}, f, in)
	}
	if out.Type == "bind" {
		if !slices.Contains(out.Options, "bind") {
			out.Options = append([]string{"rbind"}, out.Options...)
		}
		if !slices.ContainsFunc(out.Options, isPropagation) {
			out.Options = append(out.Options, "rprivate")
		}
	}
	if m.ReadOnly {
		out.Options = append(out.Options, "ro")
	}
	if m.ReadOnly && m.Type == MountBind && !m.WritableBelow && !slices.Contains(out.Options, "bind") && !slices.Contains(out.Options, recursiveReadOnly) {
		out.Options = append(out.Options, recursiveReadOnly)
	}
	return out, nil
}

// volume completes the mount of a volume.
func (m Mount) volume(out *specs.Mount, in Inputs) error {
	from, there := in.Volumes[m.Source]
	if !there {
		return errdefs.Errorf(errdefs.ErrNotFound, "cannot mount volume %s on %s: there is no such volume", m.Source, m.Target)
	}
	out.Source = from.Dir
	out.Options = append(slices.Clone(from.Options), out.Options...)
	if !from.Memory {
		return nil
	}
	if m.Overlay || m.Subpath != "" {
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot mount a layer over or a part of volume %s on %s: it is memory, and empty at each start", m.Source, m.Target)
	}
	out.Type, out.Source = "tmpfs", "tmpfs"
	if !m.NoCopy && !from.NoCopy {
		out.Options = append(out.Options, "tmpcopyup")
	}
	return nil
}

// overlay is a mount of directories, topmost first. Where it can be written to, the upper layer is in the directory that the inputs have for
// the target.
func (m Mount) overlay(lower []string, f host.Facts, in Inputs) specs.Mount {
	out := specs.Mount{Destination: m.Target, Type: "overlay", Source: "overlay"}
	key := "lowerdir="
	if len(lower) > 1 {
		key = "lowerdir+="
	}
	for _, dir := range lower {
		out.Options = append(out.Options, key+dir)
	}
	if m.Overlay {
		dir := in.Scratch[m.Target]
		out.Options = append(out.Options, "upperdir="+path.Join(dir, ScratchUpper), "workdir="+path.Join(dir, ScratchWork))
	}
	out.Options = append(out.Options, m.Options...)
	if f.OverlayUserXattr() {
		out.Options = append(out.Options, "userxattr")
	}
	return out
}

// propagate lets mounts through the container's root where one of its mounts asks for it:
// mount_namespaces(7), "Shared subtrees".
func propagate(s *specs.Spec, options []string) {
	for _, o := range options {
		switch strings.TrimPrefix(o, "r") {
		case "shared":
			s.Linux.RootfsPropagation = "shared"
		case "slave":
			if s.Linux.RootfsPropagation == "" {
				s.Linux.RootfsPropagation = "rslave"
			}
		}
	}
}
