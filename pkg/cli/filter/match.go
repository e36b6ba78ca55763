package filter

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OneOf matches the object's word; a value that is not among valid is an error.
func OneOf[T any](get func(T) string, valid ...string) Match[T] {
	return func(value string) (func(T) bool, error) {
		if !slices.Contains(valid, value) {
			return nil, fmt.Errorf("it is one of %s", strings.Join(valid, ", "))
		}
		return func(object T) bool { return get(object) == value }, nil
	}
}

// Any matches when the value is one of the object's words: its networks, its volumes.
func Any[T any](get func(T) []string) Match[T] {
	return func(value string) (func(T) bool, error) {
		return func(object T) bool { return slices.Contains(get(object), value) }, nil
	}
}

// Prefix matches the beginning of the object's id.
func Prefix[T any](get func(T) string) Match[T] {
	return func(value string) (func(T) bool, error) {
		return func(object T) bool { return strings.HasPrefix(get(object), value) }, nil
	}
}

// Regexp matches when the value, a regular expression, is found in one of the object's words. Names are
// also found as docker writes them, with a slash in front: name=^/web$.
func Regexp[T any](get func(T) []string) Match[T] {
	return func(value string) (func(T) bool, error) {
		re, err := regexp.Compile(strings.Replace(value, "^/", "^", 1))
		if err != nil {
			return nil, err
		}
		return func(object T) bool { return slices.ContainsFunc(get(object), re.MatchString) }, nil
	}
}

// Number matches a number of the object's; ok is false when the object has none, such as an exit code of
// a container that never ran.
func Number[T any](get func(T) (n int, ok bool)) Match[T] {
	return func(value string) (func(T) bool, error) {
		want, err := strconv.Atoi(value)
		if err != nil {
			return nil, errors.New("it is a number")
		}
		return func(object T) bool {
			n, ok := get(object)
			return ok && n == want
		}, nil
	}
}

// AtLeast matches objects with a number that is not below the asked one.
func AtLeast[T any](get func(T) int) Match[T] {
	return func(value string) (func(T) bool, error) {
		want, err := strconv.Atoi(value)
		if err != nil {
			return nil, errors.New("it is a number")
		}
		return func(object T) bool { return get(object) >= want }, nil
	}
}

// Bool matches whether something holds of the object: true, false, 1, 0.
func Bool[T any](get func(T) bool) Match[T] {
	return func(value string) (func(T) bool, error) {
		want, err := strconv.ParseBool(value)
		if err != nil {
			return nil, errors.New("it is true or false")
		}
		return func(object T) bool { return get(object) == want }, nil
	}
}

// Labels are the two keys label=KEY[=VALUE] and label!=KEY[=VALUE].
func Labels[T any](get func(T) map[string]string) []Key[T] {
	has := func(object T, value string) bool {
		key, want, exact := strings.Cut(value, "=")
		got, ok := get(object)[key]
		return ok && (!exact || got == want)
	}
	return []Key[T]{
		{Name: "label", All: true, Match: func(value string) (func(T) bool, error) {
			return func(object T) bool { return has(object, value) }, nil
		}},
		{Name: "label!", All: true, Match: func(value string) (func(T) bool, error) {
			return func(object T) bool { return !has(object, value) }, nil
		}},
	}
}

// Until is the key until=TIME: created before a time that [ParseTime] understands. A negative duration is a slip that would match everything.
func Until[T any](created func(T) time.Time) Key[T] {
	before := Before(func(value string) (time.Time, error) {
		if d, err := time.ParseDuration(value); err == nil && d < 0 {
			return time.Time{}, errors.New("that is in the future: write 1h for what is older than an hour")
		}
		return ParseTime(value, time.Now())
	}, created)
	return Key[T]{Name: "until", All: true, Match: before}
}

// Before matches objects created before the one that the value names; lookup finds when that was.
func Before[T any](lookup func(string) (time.Time, error), created func(T) time.Time) Match[T] {
	return func(value string) (func(T) bool, error) {
		t, err := lookup(value)
		return func(object T) bool { return created(object).Before(t) }, err
	}
}

// Since matches objects created after the one that the value names.
func Since[T any](lookup func(string) (time.Time, error), created func(T) time.Time) Match[T] {
	return func(value string) (func(T) bool, error) {
		t, err := lookup(value)
		return func(object T) bool { return created(object).After(t) }, err
	}
}
