package seccomp

import (
	"bytes"
	"encoding/json"
	"runtime"
	"slices"
	"syscall"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// refused are calls that the default profile never allows, whatever the capabilities: each has been the
// way into the kernel more than once, and no ordinary program needs it in a container.
var refused = []string{
	"io_uring_enter", "io_uring_register", "io_uring_setup",
	"userfaultfd",
	"add_key", "keyctl", "request_key",
}

// mountAPI are the calls of mount_setattr(2) and its kin. They are allowed with CAP_SYS_ADMIN alone.
var mountAPI = []string{
	"fsconfig", "fsmount", "fsopen", "fspick", "mount_setattr", "move_mount", "open_tree", "open_tree_attr",
}

// singleID are the calls that SingleID makes succeed.
var singleID = []string{
	"chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32", "setgroups", "setgroups32",
}

// load makes the rules of a profile for a container with caps on this machine.
func load(profile string, text []byte, caps []string, opts Options) (*specs.LinuxSeccomp, error) {
	container := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
	rules, err := resolve(profile, text, container)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: %w", describe(profile), err)
	}
	if rules == nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot use %s: it has no rules; to run without a filter use seccomp=unconfined", describe(profile))
	}
	if profile == "" {
		tighten(rules, caps, opts)
	}
	narrow(rules)
	if opts.SingleID {
		drop(rules, singleID)
		rules.Syscalls = append(rules.Syscalls, specs.LinuxSyscall{Names: singleID, Action: specs.ActErrno, ErrnoRet: new(uint)})
	}
	return rules, nil
}

func resolve(profile string, text []byte, container *specs.Spec) (*specs.LinuxSeccomp, error) {
	if profile == "" {
		return moby.GetDefaultProfile(container)
	}
	if !json.Valid(bytes.TrimSpace(text)) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "it is not JSON")
	}
	return moby.LoadProfile(string(text), container)
}

// tighten takes from the default profile what Moss refuses beyond it.
func tighten(rules *specs.LinuxSeccomp, caps []string, opts Options) {
	drop(rules, refused)
	if !slices.Contains(caps, "CAP_SYS_ADMIN") {
		drop(rules, mountAPI)
	}
	if !opts.Kin {
		rules.Architectures = nil // the machine's own only
	}
	rules.Architectures = slices.DeleteFunc(rules.Architectures, func(a specs.Arch) bool { return a == specs.ArchX32 }) // nobody's
	// Programs that find out at run time what a kernel can do understand "no such call" best.
	nosys := uint(syscall.ENOSYS)
	rules.Syscalls = append(rules.Syscalls, specs.LinuxSyscall{Names: refused[:3], Action: specs.ActErrno, ErrnoRet: &nosys})
}

// drop takes calls out of all rules.
func drop(rules *specs.LinuxSeccomp, names []string) {
	for i := range rules.Syscalls {
		kept := slices.DeleteFunc(slices.Clone(rules.Syscalls[i].Names), func(n string) bool { return slices.Contains(names, n) })
		rules.Syscalls[i].Names = kept
	}
	rules.Syscalls = slices.DeleteFunc(rules.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
}

// native is the machine's own architecture in the OCI's words.
func native() specs.Arch {
	return map[string]specs.Arch{
		"amd64": specs.ArchX86_64, "386": specs.ArchX86, "arm64": specs.ArchAARCH64, "arm": specs.ArchARM,
		"riscv64": specs.ArchRISCV64, "ppc64le": specs.ArchPPC64LE, "s390x": specs.ArchS390X, "loong64": specs.ArchLOONGARCH64,
	}[runtime.GOARCH]
}
