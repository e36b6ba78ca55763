package runtime

import (
	"errors"
	"fmt"
	"math"
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

// setScore sets the out-of-memory score, while /proc still is the host's.
func (s *stage) setScore() error {
	adj := s.proc.OOMScoreAdj
	if adj == nil {
		return nil
	}
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(*adj)), 0); err != nil {
		return fmt.Errorf("cannot set the out-of-memory score to %d: %w%s", *adj, err, limitHint(err))
	}
	return nil
}

// limits has resource limits set, which are the command's: what we still do must not need more.
func (s *stage) limits(b *sys.Birth) error {
	for _, l := range s.proc.Rlimits {
		n, ok := rlimits[strings.TrimPrefix(l.Type, "RLIMIT_")]
		if !ok {
			return errdefs.Errorf(errdefs.ErrInvalid, "cannot set the limit %q: there is none of this name", l.Type)
		}
		b.Rlimit(n, l.Soft, l.Hard, func(err error) error {
			return fmt.Errorf("cannot set the limit %s to %s:%s: %w%s", strings.ToLower(strings.TrimPrefix(l.Type, "RLIMIT_")),
				limitText(l.Soft), limitText(l.Hard), err, limitHint(err))
		})
	}
	return nil
}

// limitText writes a limit as ulimit -a does: RLIM_INFINITY is the largest number.
func limitText(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func limitHint(err error) string {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return "; only root may go beyond the limits of the calling process"
	}
	return ""
}
