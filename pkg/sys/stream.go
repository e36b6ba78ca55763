package sys

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe for another program's standard stream: ours is non-blocking, so that Go can wait
// for it without a thread, theirs blocks as programs expect. toThem says that they read and we write.
func Pipe(toThem bool) (ours, theirs *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	mine, other := fds[0], fds[1]
	if toThem {
		mine, other = other, mine
	}
	if err := unix.SetNonblock(mine, true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(mine), "pipe"), os.NewFile(uintptr(other), "pipe"), nil
}

// ReadWaiting reads what is in our end of a Pipe already: EAGAIN when nothing is, and no bytes when nobody can write to it any more.
func ReadWaiting(pipe *os.File, p []byte) (n int, err error) {
	err = control(pipe, "cannot read "+pipe.Name(), func(fd int) error {
		n, err = unix.Read(fd, p)
		return err
	})
	return max(n, 0), err
}

// ListenUnix listens on a new unix stream socket, mode 0600, called name in directory dir, whatever
// the length of dir's path: sun_path holds 107 bytes (unix(7)), so the directory is named by descriptor.
func ListenUnix(dir, name string) (*os.File, error) {
	f, err := unixSocket(unix.SOCK_STREAM, dir, name, func(fd int, addr *unix.SockaddrUnix) error {
		// fchmod before bind: the file never exists with a wider mode.
		if err := unix.Fchmod(fd, 0o600); err != nil {
			return err
		}
		if err := unix.Bind(fd, addr); err != nil {
			return err
		}
		return unix.Listen(fd, 64)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s/%s: %w", dir, name, err)
	}
	return f, nil
}

// DialUnix connects to the unix stream socket called name in directory dir. Errors are ENOENT,
// ECONNREFUSED and the like, wrapped.
func DialUnix(dir, name string) (*os.File, error) {
	f, err := unixSocket(unix.SOCK_STREAM, dir, name, func(fd int, addr *unix.SockaddrUnix) error {
		return unix.Connect(fd, addr)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s/%s: %w", dir, name, err)
	}
	return f, nil
}

// PeerPid is the process at the other end of a unix socket: of one that was connected, who listened (unix(7), SO_PEERCRED).
func PeerPid(conn *os.File) (pid int, err error) {
	err = control(conn, "cannot ask who is at the other end of "+conn.Name(), func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			pid = int(cred.Pid)
		}
		return err
	})
	return pid, err
}

// Accept waits for a connection on a listener of ListenUnix; closing the listener ends the wait.
func Accept(listener *os.File) (*os.File, error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, err
	}
	var conn *os.File
	var acceptErr error
	err = raw.Read(func(l uintptr) bool {
		conn, acceptErr = acceptNow(l)
		return acceptErr != unix.EAGAIN && acceptErr != unix.EINTR && acceptErr != unix.ECONNABORTED
	})
	return conn, errors.Join(err, acceptErr)
}

// AcceptWaiting is Accept of a connection that waits already; nil when none does.
func AcceptWaiting(listener *os.File) (conn *os.File) {
	if raw, err := listener.SyscallConn(); err == nil {
		_ = raw.Control(func(l uintptr) { conn, _ = acceptNow(l) }) // Accept tells what is wrong
	}
	return conn
}

func acceptNow(listener uintptr) (*os.File, error) {
	fd, _, err := unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "connection"), nil
}

// Inherit takes over a descriptor that the parent left open in this program: it becomes close-on-exec
// and, when it is a stream that can be waited for, non-blocking.
func Inherit(fd int, name string, stream bool) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot take over descriptor %d (%s): %w", fd, name, err)
	}
	if stream {
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, fmt.Errorf("cannot take over descriptor %d (%s): %w", fd, name, err)
		}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Pollable returns a second descriptor of f that Go can wait for without a thread; f may be closed.
// Non-blocking mode belongs to what both share.
func Pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make %s non-blocking: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Unwatched returns a second descriptor of a socket that Go does not wait for, to be held or passed on; the first may be closed. It is blocking,
// until whoever gets it says otherwise.
func Unwatched(socket syscall.Conn) (f *os.File, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var second int
		if second, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return
		}
		if err = unix.SetNonblock(second, false); err != nil { // os would wait for one that is not
			unix.Close(second)
			return
		}
		f = os.NewFile(uintptr(second), "socket")
	})
	return f, errors.Join(controlErr, os.NewSyscallError("fcntl", err))
}

// ReadNow reads what is there from a raw non-blocking descriptor; again says that nothing is.
func ReadNow(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = unix.Read(int(fd), p)
		if err != unix.EINTR {
			return max(n, 0), err == unix.EAGAIN, err
		}
	}
}

// CloseWrite lets the other end of a stream socket, which Go waits for, read its end. This end can still read.
func CloseWrite(conn *os.File) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return errors.Join(controlErr, os.NewSyscallError("shutdown", err))
}

// WriteNow writes a few bytes to a socket that Go waits for, and says whether that was possible at once.
func WriteNow(conn *os.File, p []byte) (done bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		n, err := unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		done = err == nil && n == len(p)
	})
	return done && err == nil
}

// unixSocket makes a socket and lets use bind or connect it to dir/name.
func unixSocket(kind int, dir, name string, use func(fd int, addr *unix.SockaddrUnix) error) (*os.File, error) {
	d, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(d)
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Non-blocking only once connected: a full backlog makes connect wait rather than fail.
	err = use(fd, &unix.SockaddrUnix{Name: "/proc/self/fd/" + strconv.Itoa(d) + "/" + name})
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
