package sys

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Traffic is what a TCP connection has done.
type Traffic struct {
	Carried uint64 // bytes that came, and that the other side has taken (tcpi_bytes_received and tcpi_bytes_acked, tcp(7))
	Unread  int    // bytes that came and that nobody has read yet
}

// ReadTraffic asks the kernel. It fails for a connection that is closed.
func ReadTraffic(conn syscall.Conn) (t Traffic, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return t, err
	}
	controlErr := raw.Control(func(fd uintptr) { t, err = readTraffic(int(fd)) })
	return t, errors.Join(controlErr, err)
}

func readTraffic(fd int) (t Traffic, err error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.SOL_TCP, unix.TCP_INFO)
	if err != nil {
		return t, os.NewSyscallError("getsockopt TCP_INFO", err)
	}
	t.Carried = info.Bytes_received + info.Bytes_acked
	t.Unread, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
	return t, os.NewSyscallError("ioctl SIOCINQ", err)
}
