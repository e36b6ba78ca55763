package sys

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call adds one whose failure is called by its name.
func (b *Birth) call(name string, number uintptr, args ...uintptr) {
	c := birthCall{number: number}
	copy(c.args[:], args)
	b.add(c, named(name))
}

// Setns moves the process into a namespace.
func (b *Birth) Setns(f *os.File, kind int) { b.call("setns", unix.SYS_SETNS, f.Fd(), uintptr(kind)) }

// Unshare is Unshare of the process.
func (b *Birth) Unshare(kinds int) { b.call("unshare", unix.SYS_UNSHARE, uintptr(kinds)) }

// SessionKeyring gives the process an empty session keyring, unless the kernel has none. crowded says that it is no error when the user has used up the quota.
func (b *Birth) SessionKeyring(crowded bool) {
	c := birthCall{number: unix.SYS_KEYCTL, args: [5]uintptr{unix.KEYCTL_JOIN_SESSION_KEYRING}, also: [2]syscall.Errno{unix.ENOSYS}}
	if crowded {
		c.also[1] = unix.EDQUOT
	}
	b.add(c, func(err error) error { return fmt.Errorf("cannot make a session keyring: %w", err) })
}

// Root makes a directory the process's root.
func (b *Birth) Root(dir *os.File) {
	b.Chdir(dir)
	dot := unsafe.Pointer(&[]byte{'.', 0}[0])
	b.add(birthCall{number: unix.SYS_CHROOT, args: [5]uintptr{uintptr(dot)}, data: [3]unsafe.Pointer{dot}}, named("chroot"))
}

// Chdir makes a directory the working one.
func (b *Birth) Chdir(dir *os.File) { b.call("fchdir", unix.SYS_FCHDIR, dir.Fd()) }

// Umask is umask(2).
func (b *Birth) Umask(mask int) { b.call("umask", unix.SYS_UMASK, uintptr(mask)) }

// Descriptors gives the process a table of descriptors of its own with these from 0 on; nil ones are not there. All others are closed when it executes its program. None of files is among
// the first.
func (b *Birth) Descriptors(files []*os.File) {
	const last = uintptr(^uint32(0))
	b.call("close_range", unix.SYS_CLOSE_RANGE, 0, last, unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC)
	for fd, f := range files {
		if f != nil {
			b.call("dup3", unix.SYS_DUP3, f.Fd(), uintptr(fd), 0)
		}
	}
}

// DropBounding takes a capability out of the bounding set.
func (b *Birth) DropBounding(capability int) {
	b.add(birthCall{number: unix.SYS_PRCTL, args: [5]uintptr{unix.PR_CAPBSET_DROP, uintptr(capability)}}, func(err error) error {
		return fmt.Errorf("cannot drop capabilities from the bounding set, which takes CAP_SETPCAP: %w", err)
	})
}

// Ambient makes a set the ambient one: a bit for each capability.
func (b *Birth) Ambient(set uint64) {
	b.call("prctl(PR_CAP_AMBIENT)", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	for c := range 64 {
		if set&(1<<c) != 0 {
			b.call("prctl(PR_CAP_AMBIENT)", unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c))
		}
	}
}

// IDs are the process's from here on, which keeps its permitted capabilities. groups are its supplementary groups, nil for those that it has.
func (b *Birth) IDs(uid, gid int, groups *[]uint32, explain func(error) error) {
	named := func(name string) func(error) error {
		return func(err error) error { return explain(os.NewSyscallError(name, err)) }
	}
	b.call("prctl(PR_SET_KEEPCAPS)", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1)
	if groups != nil {
		c := birthCall{number: unix.SYS_SETGROUPS, args: [5]uintptr{uintptr(len(*groups))}}
		if len(*groups) > 0 {
			c.data[0] = unsafe.Pointer(&(*groups)[0])
			c.args[1] = uintptr(c.data[0])
		}
		if len(*groups) == 0 || len(*groups) == 1 && int((*groups)[0]) == gid {
			c.also[0] = unix.EPERM // a namespace with one id forbids setgroups(2): there is nothing to add or drop then
		}
		b.add(c, named("setgroups"))
	}
	b.add(birthCall{number: unix.SYS_SETRESGID, args: [5]uintptr{uintptr(gid), uintptr(gid), uintptr(gid)}}, named("setresgid"))
	b.add(birthCall{number: unix.SYS_SETRESUID, args: [5]uintptr{uintptr(uid), uintptr(uid), uintptr(uid)}}, named("setresuid"))
	b.call("prctl(PR_SET_KEEPCAPS)", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0)
	b.call("prctl(PR_SET_DUMPABLE)", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0) // which the change of ids may have undone (proc_sys_fs(5), suid_dumpable)
}

// DieWithParent makes the kernel kill the process when the thread that cloned it ends (prctl(2), PR_SET_PDEATHSIG). A change of ids, or a capability more, forgets that;
// execve(2) forgets it only for a program that gains privileges. A parent that ended just before has closed its end of a stream socket, which has nothing to say now: gone is
// what that means.
func (b *Birth) DieWithParent(socket *os.File, gone error) {
	b.add(birthCall{number: unix.SYS_PRCTL, args: [5]uintptr{unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL)}}, named("prctl(PR_SET_PDEATHSIG)"))
	word := unsafe.Pointer(new(byte))
	peek := [5]uintptr{socket.Fd(), uintptr(word), 1, unix.MSG_PEEK | unix.MSG_DONTWAIT}
	b.add(birthCall{number: unix.SYS_RECVFROM, args: peek, data: [3]unsafe.Pointer{word}, want: unix.EAGAIN}, func(error) error { return gone })
}

// NewSession makes the process the first one of a new session (setsid(2)).
func (b *Birth) NewSession() { b.add(birthCall{number: unix.SYS_SETSID}, named("setsid")) }

// ControllingTerminal makes the terminal that is the descriptor fd that of the process's session.
func (b *Birth) ControllingTerminal(fd int) {
	b.add(birthCall{number: unix.SYS_IOCTL, args: [5]uintptr{uintptr(fd), unix.TIOCSCTTY}}, named("ioctl(TIOCSCTTY)"))
}

// Rlimit sets a resource limit.
func (b *Birth) Rlimit(resource int, soft, hard uint64, explain func(error) error) {
	limit := unsafe.Pointer(&unix.Rlimit{Cur: soft, Max: hard})
	b.add(birthCall{number: unix.SYS_PRLIMIT64, args: [5]uintptr{0, uintptr(resource), uintptr(limit)}, data: [3]unsafe.Pointer{limit}}, explain)
}

// Seccomp installs a filter: program is an array of struct sock_filter in the machine's byte order.
func (b *Birth) Seccomp(program []byte, explain func(error) error) error {
	prog, err := seccompProgram(program)
	if err != nil {
		return err
	}
	at := unsafe.Pointer(prog)
	b.add(birthCall{number: unix.SYS_SECCOMP, args: [5]uintptr{unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(at)}, data: [3]unsafe.Pointer{at}}, explain)
	return nil
}

// Capabilities sets the three sets that a process has (capset(2)), a bit for each capability.
func (b *Birth) Capabilities(effective, permitted, inheritable uint64) {
	head := unsafe.Pointer(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3})
	data := unsafe.Pointer(&[2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted), Inheritable: uint32(inheritable)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32), Inheritable: uint32(inheritable >> 32)},
	})
	b.add(birthCall{number: unix.SYS_CAPSET, args: [5]uintptr{uintptr(head), uintptr(data)}, data: [3]unsafe.Pointer{head, data}}, func(err error) error {
		return fmt.Errorf("cannot set capabilities: %w", err)
	})
}

// Permitted is the set of capabilities that the calling thread may have, a bit for each.
func Permitted() (uint64, error) {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return 0, os.NewSyscallError("capget", err)
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// InBounding says whether a capability is in the calling thread's bounding set.
func InBounding(capability int) bool {
	is, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(capability), 0, 0, 0)
	return err == nil && is == 1
}

// NoNewPrivs keeps the process and all it executes from gaining privileges by execve(2).
func (b *Birth) NoNewPrivs() {
	b.add(birthCall{number: unix.SYS_PRCTL, args: [5]uintptr{unix.PR_SET_NO_NEW_PRIVS, 1}}, named("prctl(PR_SET_NO_NEW_PRIVS)"))
}
