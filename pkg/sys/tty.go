package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// SetWinsize tells a terminal its size in characters.
func SetWinsize(tty *os.File, rows, cols uint16) error {
	return control(tty, "cannot resize the terminal", func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
}

// Winsize is a terminal's size in characters.
func Winsize(tty *os.File) (rows, cols uint16, err error) {
	err = control(tty, "cannot ask for the terminal's size", func(fd int) error {
		ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			rows, cols = ws.Row, ws.Col
		}
		return err
	})
	return rows, cols, err
}

// TTYEOF is the character that means end of input to a terminal's reader; ok is false when the terminal
// is in raw mode, where none does.
func TTYEOF(tty *os.File) (char byte, ok bool) {
	err := control(tty, "", func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			char, ok = t.Cc[unix.VEOF], t.Lflag&unix.ICANON != 0
		}
		return err
	})
	return char, ok && err == nil
}

// PtyPeer opens the other side of a pseudo terminal, not as a controlling terminal, whatever mount
// namespace its /dev/pts is in (ioctl_tty(2), TIOCGPTPEER).
func PtyPeer(master *os.File) (*os.File, error) {
	var peer *os.File
	err := control(master, "cannot open the terminal's other side", func(fd int) error {
		n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			return errno
		}
		peer = os.NewFile(n, "pty")
		return nil
	})
	return peer, err
}

// control runs f on a descriptor without changing its blocking mode, as File.Fd may.
func control(file *os.File, doing string, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	if inner != nil {
		return fmt.Errorf("%s: %w", doing, inner)
	}
	return nil
}
