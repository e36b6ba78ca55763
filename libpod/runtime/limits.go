package runtime

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/mosscontainers/moss/pkg/errdefs"
	"github.com/mosscontainers/moss/pkg/sys"
)

// rlimits relates names to numbers: asm-generic/resource.h.
var rlimits = map[string]int{
	"CPU": 0, "FSIZE": 1, "DATA": 2, "STACK": 3, "CORE": 4, "RSS": 5, "NPROC": 6, "NOFILE": 7, "MEMLOCK": 8, "AS": 9,
	"LOCKS": 10, "SIGPENDING": 11, "MSGQUEUE": 12, "NICE": 13, "RTPRIO": 14, "RTTIME": 15,
}

// setLimits sets resource limits and the out-of-memory score, while /proc still is the host's.
func (s *stage) setLimits() error {
	if err := s.ownStreams(); err != nil {
		return err
	}
	for _, l := range s.proc.Rlimits {
		n, ok := rlimits[strings.TrimPrefix(l.Type, "RLIMIT_")]
		if !ok {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot set the limit %q: there is none of this name", l.Type)
		}
		if err := sys.Setrlimit(n, l.Soft, l.Hard); err != nil {
			return fmt.Errorf("cannot set the limit %s to %d:%d: %w%s", strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_")),
				l.Soft, l.Hard, err, limitHint(err))
		}
	}
	if adj := s.proc.OOMScoreAdj; adj != nil {
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(*adj)), 0); err != nil {
			return fmt.Errorf("cannot set the out-of-memory score to %d: %w%s", *adj, err, limitHint(err))
		}
	}
	return nil
}

func limitHint(err error) string {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return "; only root may go beyond the limits of the calling process"
	}
	return ""
}
