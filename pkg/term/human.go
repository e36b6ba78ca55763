package term

import (
	"strings"
	"time"

	"github.com/docker/go-units"
)

// Size writes bytes in decimal units with three digits, as podman's lists do: "77.8 MB".
func Size(bytes int64) string {
	s := units.HumanSizeWithPrecision(float64(bytes), 3)
	digits := strings.TrimRight(s, "kMGTPEZYB")
	return digits + " " + s[len(digits):]
}

// Duration writes a duration in its largest unit: "3 seconds", "About an hour".
func Duration(d time.Duration) string { return units.HumanDuration(d) }

// Ago says how long before now t was: "2 minutes ago". It is "" for the zero time; a time after now, by
// a clock that was put back, counts as now.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Duration(max(now.Sub(t), 0)) + " ago"
}
