package filter

import (
	"strconv"
	"strings"
	"time"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// layouts are the times that docker accepts beside durations and seconds: RFC 3339, and its beginnings.
// Without a zone it is the local one.
// https://docs.docker.com/reference/cli/docker/container/logs/#since
var layouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02",
}

// ParseTime understands what --since and --until take: a Go duration before now (10m, 1h30m), seconds
// since 1970 with an optional fraction, or a date and time (2026-01-31T15:04:05Z and its beginnings).
// Errors are [errdefs.ErrInvalid].
func ParseTime(value string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil && value != "0" {
		return now.Add(-d), nil
	}
	if t, ok := parseUnix(value); ok {
		return t, nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errdefs.Errorf(errdefs.ErrInvalid,
		"cannot read %q as a time: use a duration such as 10m, seconds since 1970, or a date such as 2026-01-31T15:04:05Z", value)
}

// parseUnix reads SECONDS[.FRACTION] without losing nanoseconds to a float.
func parseUnix(value string) (time.Time, bool) {
	seconds, fraction, _ := strings.Cut(value, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || len(fraction) > 9 {
		return time.Time{}, false
	}
	ns, err := strconv.ParseUint(fraction+"000000000"[len(fraction):], 10, 32)
	return time.Unix(s, int64(ns)), err == nil
}
