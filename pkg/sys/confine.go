package sys

import (
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Confine takes from all threads of this process, which links no C, what a server that listens to strangers does not
// need: every capability but keep, and the system calls with which whoever took it over would go on. It is for good.
func Confine(keep ...uint) error {
	if err := keepCapabilities(keep); err != nil {
		return err
	}
	return ForbidCalls()
}

// ConfineVisitor is Confine for a server that goes to the network namespaces of containers, and speaks there from addresses of others.
func ConfineVisitor() error {
	if err := keepCapabilities([]uint{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN}); err != nil {
		return err
	}
	return refuse(slices.DeleteFunc(slices.Clone(forbidden), func(nr uint32) bool { return nr == unix.SYS_SETNS }))
}

// keepCapabilities keeps these for all threads, and no others, and sees to it that executing brings back none.
func keepCapabilities(keep []uint) error {
	if _, _, e := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
		return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", e)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range keep {
		data[c/32].Effective |= 1 << (c % 32)
		data[c/32].Permitted |= 1 << (c % 32)
	}
	_, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0)
	runtime.KeepAlive(&header)
	if e != 0 {
		return os.NewSyscallError("capset", e)
	}
	return nil
}

// ForbidCalls takes those system calls alone from all threads of this process, which has no_new_privs set (prctl(2)).
func ForbidCalls() error { return refuse(forbidden) }

// CapNetBindService is the capability to listen on ports below 1024.
const CapNetBindService = unix.CAP_NET_BIND_SERVICE

// CapNetAdmin is the capability to change the rules of network namespaces.
const CapNetAdmin = unix.CAP_NET_ADMIN

// forbidden are the system calls that Confine makes fail: executing, tracing, mounting, other namespaces, and what
// is known for the kernel's mistakes.
var forbidden = []uint32{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, openTreeAttr, unix.SYS_SETNS, unix.SYS_UNSHARE,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_IO_URING_SETUP, unix.SYS_USERFAULTFD, unix.SYS_PIDFD_GETFD, unix.SYS_FINIT_MODULE, unix.SYS_INIT_MODULE,
}

// openTreeAttr is open_tree_attr(2) on all architectures: Linux 6.15.
const openTreeAttr = 467

// firstArgument is where the lower half of a call's first argument is in struct seccomp_data; the flags of clone(2) are that.
const firstArgument = 16

// namespaces are the flags of clone(2) that make some. A new user namespace would bring back all capabilities.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// refuse makes system calls fail with EPERM in all threads of this process (seccomp(2)), and so clone(2) where it would make namespaces. What
// clone3(2) is to do is in memory, where a filter cannot look: there is no such call, and whoever means no harm takes the other.
func refuse(calls []uint32) error {
	program := make([]unix.SockFilter, 0, 2*len(calls)+13)
	load := func(offset uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
	}
	give := func(k uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k})
	}
	// skip jumps over the next instruction when the loaded value compares so.
	skip := func(how uint16, k uint32, yes, no uint8) {
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, Jt: yes, Jf: no, K: k})
	}
	load(4) // seccomp_data.arch
	skip(unix.BPF_JEQ, auditArch(), 1, 0)
	give(unix.SECCOMP_RET_KILL_PROCESS)
	load(0) // seccomp_data.nr
	for _, nr := range calls {
		skip(unix.BPF_JEQ, nr, 0, 1)
		give(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	}
	if runtime.GOARCH == "amd64" {
		const x32 = 0x40000000 // the same calls under other numbers
		skip(unix.BPF_JGE, x32, 0, 1)
		give(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	}
	skip(unix.BPF_JEQ, unix.SYS_CLONE3, 0, 1)
	give(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	skip(unix.BPF_JEQ, unix.SYS_CLONE, 0, 3)
	load(firstArgument)
	skip(unix.BPF_JSET, namespaces, 0, 1)
	give(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	give(unix.SECCOMP_RET_ALLOW)
	return installFilter(program)
}

func installFilter(program []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if e == 0 && thread != 0 { // one that cannot have the filter
		e = unix.ESRCH
	}
	if e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	return nil
}

// auditArch is what the kernel calls this machine's system call table.
func auditArch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0 // no other has it: every call is refused
}
