package sys

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Namespaces that setns(2) and clone(2) know.
const (
	CloneMount  = unix.CLONE_NEWNS
	CloneNet    = unix.CLONE_NEWNET
	ClonePID    = unix.CLONE_NEWPID
	CloneIPC    = unix.CLONE_NEWIPC
	CloneUTS    = unix.CLONE_NEWUTS
	CloneCgroup = unix.CLONE_NEWCGROUP
	CloneUser   = unix.CLONE_NEWUSER
	CloneTime   = unix.CLONE_NEWTIME
	CloneFS     = unix.CLONE_FS // for Unshare: the working directory and root of the thread become its own
)

// Setns moves the calling thread into the namespaces kinds: those of a process when f is a pidfd, or
// the one that f is.
func Setns(f *os.File, kinds int) error {
	if err := unix.Setns(dirfd(f), kinds); err != nil {
		return &os.PathError{Op: "setns", Path: f.Name(), Err: err}
	}
	return nil
}

// Unshare gives the calling thread namespaces of its own.
func Unshare(kinds int) error { return os.NewSyscallError("unshare", unix.Unshare(kinds)) }

// OpenPidfd opens the process that has this pid now.
func OpenPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open process %d: %w", pid, err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// SendFile sends data, at least one byte, and a descriptor over a unix socket.
func SendFile(socket *os.File, data []byte, f *os.File) error {
	if f == nil {
		return SendFiles(socket, data)
	}
	return SendFiles(socket, data, f)
}

// SendFiles sends data, at least one byte, and descriptors over a unix socket.
func SendFiles(socket *os.File, data []byte, files ...*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	waitErr := raw.Write(func(fd uintptr) bool {
		err = unix.Sendmsg(int(fd), data, rights, nil, unix.MSG_NOSIGNAL)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	return errors.Join(waitErr, os.NewSyscallError("sendmsg", err))
}

// ReceiveFile reads data and, where one came with it, a descriptor from a unix socket. No data is io.EOF's n == 0.
func ReceiveFile(socket *os.File, data []byte) (n int, f *os.File, err error) {
	n, files, err := ReceiveFiles(socket, data)
	if len(files) > 0 {
		f = files[0]
	}
	return n, f, err
}

// maxRights is as many descriptors as the kernel takes at once (SCM_MAX_FD).
const maxRights = 253

// ReceiveFiles reads data and the descriptors that came with it from a unix socket. No data is io.EOF's n == 0.
func ReceiveFiles(socket *os.File, data []byte) (n int, files []*os.File, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	oob, oobn := make([]byte, unix.CmsgSpace(4*maxRights)), 0
	waitErr := raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(fd), data, oob, unix.MSG_CMSG_CLOEXEC)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if err = errors.Join(waitErr, os.NewSyscallError("recvmsg", err)); err != nil || oobn == 0 {
		return max(n, 0), nil, err
	}
	oob = oob[:oobn]
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return n, nil, os.NewSyscallError("recvmsg", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	return n, files, os.NewSyscallError("recvmsg", err)
}

// SetNonDumpable keeps other processes of the same user from tracing this one and from opening its
// descriptors through /proc, until it executes something.
func SetNonDumpable() error {
	return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// NoNewPrivs says whether nothing that this process executes gains privileges: setuid programs do not.
func NoNewPrivs() bool {
	on, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	return err == nil && on == 1
}

func seccompProgram(program []byte) (*unix.SockFprog, error) {
	const size = int(unsafe.Sizeof(unix.SockFilter{}))
	if len(program) == 0 || len(program)%size != 0 || len(program)/size > unix.BPF_MAXINSNS {
		return nil, fmt.Errorf("cannot load a seccomp filter of %d bytes: %w", len(program), unix.EINVAL)
	}
	return &unix.SockFprog{Len: uint16(len(program) / size), Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0]))}, nil
}

// CloseOnExecFrom marks every descriptor from first on close-on-exec.
func CloseOnExecFrom(first uint) error {
	const last = ^uint(0) >> 32
	return os.NewSyscallError("close_range", unix.CloseRange(first, last, unix.CLOSE_RANGE_CLOEXEC))
}

// CloseFrom closes every descriptor from first on.
func CloseFrom(first uint) error {
	const last = ^uint(0) >> 32
	return os.NewSyscallError("close_range", unix.CloseRange(first, last, 0))
}

// Setrlimit sets one resource limit of this process.
func Setrlimit(resource int, soft, hard uint64) error {
	return os.NewSyscallError("setrlimit", unix.Setrlimit(resource, &unix.Rlimit{Cur: soft, Max: hard}))
}

// SetHostname and SetDomainname name the caller's UTS namespace.
func SetHostname(name string) error {
	return os.NewSyscallError("sethostname", unix.Sethostname([]byte(name)))
}

// SetDomainname sets the NIS domain of the caller's UTS namespace.
func SetDomainname(name string) error {
	return os.NewSyscallError("setdomainname", unix.Setdomainname([]byte(name)))
}

// LoopbackUp brings up the loopback interface of the calling thread's network namespace (netdevice(7)).
func LoopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return os.NewSyscallError("ioctl(SIOCSIFFLAGS)", unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo))
}
