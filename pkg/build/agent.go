package build

import (
	"net"
)

// Agent speaks for an SSH agent on one connection, to its end.
type Agent func(net.Conn) error
