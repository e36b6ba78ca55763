package runtime

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mosscontainers/moss/pkg/sys"
)

// consoleSocket is where an OCI runtime sends the master side of a terminal: runc's docs/terminals.md.
type consoleSocket struct {
	listener *os.File
	path     string
}

func listenConsole(dir string) (*consoleSocket, error) {
	const name = "console"
	listener, err := sys.ListenUnix(dir, name)
	if err != nil {
		return nil, err
	}
	return &consoleSocket{listener, filepath.Join(dir, name)}, nil
}

// receive takes the terminal from the runtime, which has connected and sent it already.
func (c *consoleSocket) receive() (*os.File, error) {
	conn, err := sys.Accept(c.listener)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_, master, err := sys.ReceiveFile(conn, make([]byte, 4096))
	if err == nil && master == nil {
		err = fmt.Errorf("the runtime sent no terminal")
	}
	return master, err
}

func (c *consoleSocket) close() {
	c.listener.Close()
	_ = os.Remove(c.path) // the container's directory goes with it
}
