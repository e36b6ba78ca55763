package sys

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// RunEnclosed runs a program that calls Enclose before it reads what strangers made, and waits for its end. It starts with one capability, to
// change its root directory, can get no other (PR_SET_NO_NEW_PRIVS), and ends with this process.
func RunEnclosed(cmd *exec.Cmd) error {
	return OnThread(func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", err)
		}
		if err := keepOnly(unix.CAP_SYS_CHROOT); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // with the thread, which stays until the end
		return cmd.Run()
	})
}

// keepOnly takes all capabilities but one from the calling thread; one that it does not have it does not get.
func keepOnly(capability uint) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	for i := range data {
		mask := uint32(uint64(1) << capability >> (32 * i))
		data[i] = unix.CapUserData{Effective: data[i].Permitted & mask, Permitted: data[i].Permitted & mask}
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &data[0]))
}

// Bounds are what an enclosed process may use.
type Bounds struct {
	Memory  uint64 // bytes that are its own
	File    uint64 // bytes of each file that it writes
	Seconds uint64 // of a processor
}

// Enclose shuts this process in: its working directory is all that it sees of the file system, it opens no sockets, executes nothing, and
// reaches no other process. It is for good. The process was started by RunEnclosed, and has nothing but that directory and its streams.
func Enclose(b Bounds) error {
	if err := unix.Chroot("."); err != nil { // of all threads, which share it
		return os.NewSyscallError("chroot", err)
	}
	limits := map[int]uint64{unix.RLIMIT_DATA: b.Memory, unix.RLIMIT_FSIZE: b.File, unix.RLIMIT_CPU: b.Seconds, unix.RLIMIT_CORE: 0}
	for which, limit := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(which, &now); err != nil {
			return os.NewSyscallError("getrlimit", err)
		}
		limit = min(limit, now.Max)
		if err := Setrlimit(which, limit, limit); err != nil {
			return err
		}
	}
	if err := onlyThreads(); err != nil {
		return err
	}
	return refuse(slices.Concat(forbidden, reaching))
}

// onlyThreads lets this process make threads, and no processes, which could outlive it (clone(2)). What clone3 is told lies in memory, where a filter
// cannot look: whoever calls that is told that there is none, and takes clone.
func onlyThreads() error {
	const number, firstArgument = 0, 16 // in struct seccomp_data, of which the lower half of an argument comes first
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE3, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: firstArgument},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_THREAD, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := installFilter(program); err != nil || runtime.GOARCH != "amd64" {
		return err
	}
	const fork, vfork = 57, 58 // which other machines do not have
	return refuse([]uint32{fork, vfork})
}

// reaching are system calls with which a process reaches others, or more than it was given. tgkill is among them, which Go's runtime would use to
// interrupt its own threads: it is to be started with GODEBUG=asyncpreemptoff=1.
var reaching = []uint32{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_SENDTO, unix.SYS_SENDMSG,
	unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_PIDFD_OPEN,
	unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_PRLIMIT64, unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_MSGGET, unix.SYS_SEMGET, unix.SYS_MQ_OPEN,
	unix.SYS_FCHDIR, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_MKNODAT, unix.SYS_SETPRIORITY,
}
