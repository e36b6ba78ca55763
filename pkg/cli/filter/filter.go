// Package filter is --filter KEY=VALUE of the list and prune commands. A command declares the keys that
// its objects have; values of one key are alternatives, and all keys must match, as in docker and podman.
package filter

import (
	"strings"

	"github.com/mosscontainers/moss/pkg/errdefs"
)

// Key is one filter that a command knows.
type Key[T any] struct {
	Name string // "status"; "label!" is what label!=VALUE asks for
	// All says that an object must match every value given for the key, not just one: so it is for labels
	// and for times.
	All   bool
	Match Match[T]
}

// Match turns the value of a filter into a question. It is called once for each value; an error says what
// was wrong with the value alone.
type Match[T any] func(value string) (func(T) bool, error)

// Set are the filters that a command knows.
type Set[T any] []Key[T]

// Compile makes one question of all --filter arguments; without any, everything matches. Errors are
// [errdefs.ErrInvalid], or a lookup's own.
func (s Set[T]) Compile(args []string) (func(T) bool, error) {
	questions := make([][]func(T) bool, len(s))
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot filter by %q: write it as KEY=VALUE", arg)
		}
		i := s.index(name)
		if i < 0 {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot filter by %q: the filters are %s", name, s.names())
		}
		q, err := s[i].Match(value)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "cannot filter by %s: %w", arg, err)
		}
		questions[i] = append(questions[i], q)
	}
	return func(object T) bool {
		for i, k := range s {
			if !k.matches(object, questions[i]) {
				return false
			}
		}
		return true
	}, nil
}

func (k Key[T]) matches(object T, questions []func(T) bool) bool {
	for _, q := range questions {
		if q(object) != k.All {
			return !k.All
		}
	}
	return k.All || len(questions) == 0
}

func (s Set[T]) index(name string) int {
	for i, k := range s {
		if k.Name == name {
			return i
		}
	}
	return -1
}

func (s Set[T]) names() string {
	names := make([]string, len(s))
	for i, k := range s {
		names[i] = k.Name
	}
	return strings.Join(names, ", ")
}
