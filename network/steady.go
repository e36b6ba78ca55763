package network

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// steadyTries bounds how often a list is asked for in a namespace where links never stop coming and going.
const steadyTries = 100

// steady asks the kernel for a list once more when something has changed while it told it (NLM_F_DUMP_INTR): other containers come and go.
func steady[T any](list func() ([]T, error)) (got []T, err error) {
	for range steadyTries {
		if got, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
	}
	return got, err
}
