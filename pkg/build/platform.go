package build

import (
	"os"
	"strings"

	"github.com/containerd/platforms"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/host"
)

// emulators are what the kernel's list of emulators calls those of QEMU, by the architectures that images name.
var emulators = map[string]string{
	"386": "i386", "amd64": "x86_64", "arm": "arm", "arm64": "aarch64", "loong64": "loongarch64", "mips64": "mips64", "mips64le": "mips64el",
	"ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}

// Here is this machine's platform, written as short as it can be: linux/arm64, not linux/arm64/v8.
func Here() v1.Platform { return platforms.Normalize(platforms.DefaultSpec()) }

// runnable says whether commands of the operation's platform can be run here.
func (e *execution) runnable() error {
	want, here := platformOf(e.v.Op.Platform), Here()
	if want.Architecture == here.Architecture || host.Kin(want.Architecture) {
		return nil
	}
	if name := emulators[want.Architecture]; name != "" && enabled("status") && (enabled("qemu-"+name) || enabled(name)) {
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnavailable,
		"cannot run a command for %s on this machine: no emulator is registered with the kernel; install qemu-user-static and binfmt-support (Debian), or qemu-user-static (Fedora)", platforms.Format(want))
}

// enabled says whether an entry of the kernel's list of emulators is there and turned on. Its first line is "enabled" or "disabled".
func enabled(entry string) bool {
	data, err := os.ReadFile("/proc/sys/fs/binfmt_misc/" + entry)
	return err == nil && strings.HasPrefix(string(data), "enabled\n")
}
