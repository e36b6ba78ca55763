package monitor

import "time"

// Docker's pauses between restarts: doubled each time, forgotten once a life was long enough
// (moby, restartmanager).
const (
	firstPause = 100 * time.Millisecond
	longPause  = time.Minute
	longLife   = 10 * time.Second
)

// again says whether the policy starts a container again that ended with code after restarts.
func (r Restart) again(code, restarts int) bool {
	switch r.Policy {
	case RestartAlways, RestartUnlessStopped:
		return true
	case RestartOnFailure:
		return code != 0 && (r.Retries == 0 || restarts < r.Retries)
	}
	return false
}

// pause is how long to wait after a life that lasted so long, when the pause before it was last.
func pause(last, lasted time.Duration) time.Duration {
	if last == 0 || lasted >= longLife {
		return firstPause
	}
	return min(2*last, longPause)
}
