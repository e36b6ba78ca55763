package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// kinds relates the namespaces of an OCI configuration to the kernel's flags.
var kinds = map[specs.LinuxNamespaceType]int{
	specs.PIDNamespace:     sys.ClonePID,
	specs.NetworkNamespace: sys.CloneNet,
	specs.MountNamespace:   sys.CloneMount,
	specs.IPCNamespace:     sys.CloneIPC,
	specs.UTSNamespace:     sys.CloneUTS,
	specs.CgroupNamespace:  sys.CloneCgroup,
}

// namespaces are those that a container gets: new ones and others'.
type namespaces struct {
	fresh int // flags of those to make
	join  []namespace
	// borrowed is the one of join that belongs to the caller.
	borrowed *os.File
}

type namespace struct {
	kind int
	file *os.File
}

var errOwnerEnded = errdefs.Errorf(errdefs.ErrConflict, "the container whose it is has just ended")

func openNamespaces(ctx context.Context, list []specs.LinuxNamespace, netns *os.File) (*namespaces, error) {
	s := &namespaces{}
	for _, n := range list {
		kind, ok := kinds[n.Type]
		switch {
		case !ok:
			s.close()
			return nil, fmt.Errorf("cannot make a namespace of type %q", n.Type)
		case kind == sys.CloneNet && netns != nil:
		case n.Path == "":
			s.fresh |= kind
		default:
			f, err := os.Open(n.Path)
			if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(n.Path, "/proc/") {
				err = errOwnerEnded
			}
			if err != nil {
				s.close()
				return nil, fmt.Errorf("cannot join the %s namespace: %w", n.Type, err)
			}
			s.join = append(s.join, namespace{kind, f})
			if err := awaitOwner(ctx, n); err != nil {
				s.close()
				return nil, fmt.Errorf("cannot join the %s namespace: %w", n.Type, err)
			}
		}
	}
	if netns != nil {
		s.borrowed = netns
		s.join = append(s.join, namespace{sys.CloneNet, netns})
	}
	s.fresh |= sys.CloneMount
	return s, nil
}

// awaitOwner is awaitBirth for the namespace of a process, if it is one of processes.
func awaitOwner(ctx context.Context, n specs.LinuxNamespace) error {
	if rest, ok := strings.CutPrefix(n.Path, "/proc/"); ok && n.Type == specs.PIDNamespace {
		number, _, _ := strings.Cut(rest, "/")
		if pid, err := strconv.Atoi(number); err == nil {
			return awaitBirth(ctx, pid)
		}
	}
	return nil
}

// joined are the kinds of the namespaces whose descriptors the stage gets, in their order.
func (s *namespaces) joined() []int {
	var list []int
	for _, n := range s.join {
		list = append(list, n.kind)
	}
	return list
}

// cloned are the flags for clone(2). The cgroup namespace is made later, when the process is in its cgroup.
func (s *namespaces) cloned() uintptr { return uintptr(s.fresh &^ sys.CloneCgroup) }

func (s *namespaces) close() {
	for _, n := range s.join {
		if n.file != s.borrowed {
			n.file.Close()
		}
	}
}

// joinErrors is the first error with the second beside it, where there is one.
func joinErrors(err, also error) error {
	if also == nil {
		return err
	}
	return errors.Join(err, also)
}
