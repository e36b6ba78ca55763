package server

import (
	"os"
	"sync"

	"github.com/mosscontainers/moss/pkg/sys"
)

// keeper is the one living container for which the server stays. While it lives nobody else is looked at, so that nothing
// needs to be polled.
type keeper struct {
	process sys.Process
	pidfd   *os.File // nil when there is none
}

// found says whether there is a container to stay for. ended is called when that may have changed, in a goroutine of owner's.
func (k *keeper) found(z *zones, owner *sync.WaitGroup, ended func()) bool {
	process, ok := z.anybody(k.process)
	if ok && k.pidfd != nil && process == k.process {
		return true
	}
	k.release()
	if !ok {
		return false
	}
	pidfd, err := openPidfd(process)
	if err != nil {
		return false // it has just ended: the next look is when the server has lingered
	}
	k.process, k.pidfd = process, pidfd
	owner.Go(func() {
		if sys.AwaitExit(pidfd) == nil {
			ended()
		}
	})
	return true
}

// release ends the wait.
func (k *keeper) release() {
	if k.pidfd != nil {
		k.pidfd.Close()
		k.pidfd = nil
	}
}

func openPidfd(p sys.Process) (*os.File, error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return sys.Pollable(f)
}
