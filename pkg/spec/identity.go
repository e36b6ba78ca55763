package spec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// Identity is who the container's process is and how the container calls itself.
type Identity struct {
	User     string   `json:"user,omitempty"`   // as given: [NAME|UID][:GROUP|GID]; resolved in the rootfs at start
	Groups   []string `json:"groups,omitempty"` // --group-add; KeepGroups alone
	Hostname string   `json:"hostname,omitempty"`
	// Domainname is that of NIS, which getdomainname(2) tells.
	Domainname string `json:"domainname,omitempty"`
	// NoHostname leaves /etc/hostname as the image has it.
	NoHostname bool `json:"noHostname,omitempty"`
}

// KeepGroups stands for the additional groups that whoever starts the container has, be they not in the user namespace: the kernel lets the
// process use their files, and shows them as nobody's.
const KeepGroups = "keep-groups"

// maxID is the highest id that every program can hold in a signed integer; larger ones have been
// made to wrap to 0 (CVE-2024-40635).
const maxID = 1<<31 - 1

// AddFlags declares the flags of the identity.
func (i *Identity) AddFlags(fs *pflag.FlagSet) {
	addFlag(fs, "user", "u", "string", "", "`user` of the process: [NAME|UID][:GROUP|GID]", func(s string) error {
		if i.User = s; s == "" {
			return nil // as Docker and Podman have it: not given
		}
		return CheckUser("user", s)
	})
	addList(fs, &i.Groups, "group-add", "", "an additional `group` of the process, or keep-groups for those of the caller", func(s string) (string, error) {
		return s, checkID("group-add", s, s)
	})
	addFlag(fs, "hostname", "h", "string", "", "the container's `host name`", func(s string) error {
		if i.Hostname = s; s == "" {
			return nil
		}
		return checkHostname(s)
	})
	fs.BoolVar(&i.NoHostname, "no-hostname", false, "leave /etc/hostname as the image has it")
}

// CheckUser checks NAME|UID[:GROUP|GID] as far as that goes without the rootfs. One of the two may be missing, as with Docker and Podman: the
// user is root then, and the group the user's.
func CheckUser(flag, s string) error {
	user, group, _ := strings.Cut(s, ":")
	if user == "" && group == "" {
		return invalid(flag, s, "a name or a number is missing")
	}
	for _, id := range []string{user, group} {
		if id == "" {
			continue
		}
		if err := checkID(flag, s, id); err != nil {
			return err
		}
	}
	return nil
}

func checkID(flag, whole, id string) error {
	if id == "" {
		return invalid(flag, whole, "a name or a number is missing")
	}
	if strings.Trim(id, "0123456789") == "" {
		if n, err := strconv.ParseUint(id, 10, 64); err != nil || n > maxID {
			return invalid(flag, whole, "%s is above the highest id, %d", id, maxID)
		}
		return nil
	}
	if strings.ContainsAny(id, ":/\\ \t\n\x00") || strings.HasPrefix(id, "-") || strings.HasPrefix(id, "+") {
		return invalid(flag, whole, "%q is neither a name nor a number", id)
	}
	return nil
}

const maxHostname = 64 // uname(2)

// checkHostname follows hostname(7), with the kernel's limit of 64 bytes.
func checkHostname(s string) error {
	if len(s) > maxHostname {
		return invalid("hostname", s, "it is longer than %d bytes", maxHostname)
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.HasPrefix(label, "-") || !isHostLabel(label) {
			return invalid("hostname", s, "want letters, digits and hyphens, with dots between")
		}
	}
	return nil
}

// isHostLabel says whether a part of a name has letters, digits, hyphens and underscores only.
func isHostLabel(label string) bool {
	return !strings.ContainsFunc(label, func(r rune) bool {
		return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// Validate checks the identity.
func (i *Identity) Validate() error {
	if i.User != "" {
		if err := CheckUser("user", i.User); err != nil {
			return err
		}
	}
	for _, g := range i.Groups {
		if err := checkID("group-add", g, g); err != nil {
			return err
		}
	}
	if slices.Contains(i.Groups, KeepGroups) && len(i.Groups) > 1 {
		return invalid("group-add", KeepGroups, "it does not go together with other groups: the kernel takes a whole list, or leaves it")
	}
	if i.Hostname != "" {
		return checkHostname(i.Hostname)
	}
	return nil
}

// Apply writes the host name; the user is resolved when the container starts.
func (i *Identity) Apply(s *specs.Spec, f host.Facts, in Inputs) ([]string, error) {
	if err := i.checkMapped(f); err != nil {
		return nil, err
	}
	if !hasNamespace(s, specs.UTSNamespace) {
		return nil, nil
	}
	s.Hostname, s.Domainname = i.Hostname, i.Domainname
	if s.Hostname == "" {
		s.Hostname = in.Hostname
	}
	if s.Hostname == "" {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot name the container's host: neither --hostname nor a default is given")
	}
	return nil, nil
}

// checkMapped refuses numbers that the user namespace does not have.
func (i *Identity) checkMapped(f host.Facts) error {
	user, group, _ := strings.Cut(i.User, ":")
	for _, id := range []struct {
		text  string
		count uint32
	}{{user, f.UIDs}, {group, f.GIDs}} {
		n, err := strconv.ParseUint(id.text, 10, 64)
		if err != nil || id.count == 0 || n < uint64(id.count) {
			continue
		}
		return errdefs.Errorf(errdefs.ErrInvalid, "cannot run as user %s: there are only the ids below %d; /etc/subuid and /etc/subgid say how many a user has", i.User, id.count)
	}
	return nil
}

// root says that the process is surely uid 0; a name can only be looked up in the image.
func (i *Identity) root() bool {
	user, _, _ := strings.Cut(i.User, ":")
	return user == "" || user == "root" || strings.Trim(user, "0") == ""
}
