package spec

import (
	"fmt"
	"maps"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/pflag"
)

// Setting is one that containers are to have where nothing else is said. It means what the flag means whose name it gives.
type Setting struct {
	Name   string // where it is written, for errors: default_ulimits
	Flag   string // ulimit
	Values []string
}

// ReadDefaults makes a description of settings, for [Container.Settle]. Those whose flags were given count for nothing, but for lists.
func ReadDefaults(settings []Setting, given func(flag string) bool) (*Container, error) {
	d := &Container{}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	// To declare all flags takes a good part of a millisecond; distributions set sysctls only.
	parts := []interface{ AddFlags(*pflag.FlagSet) }{&d.Security, &d.Process, &d.Namespaces, &d.Mounts, &d.Resources, &d.Logging, &d.Metadata, &d.Network}
	for _, s := range settings {
		for len(parts) > 0 && flags.Lookup(s.Flag) == nil {
			parts[0].AddFlags(flags)
			parts = parts[1:]
		}
		flag := flags.Lookup(s.Flag)
		if flag.Value.Type() != "list" && given(s.Flag) {
			continue
		}
		for _, value := range s.Values {
			if err := flag.Value.Set(value); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return d, nil
}

// Settle completes a description by another, which says what holds where this one leaves something open. Of lists each adds what
// the description does not name itself.
func (c *Container) Settle(d *Container) error {
	c.Process.settle(&d.Process)
	c.Namespaces.settle(&d.Namespaces)
	c.Mounts.settle(&d.Mounts)
	c.Resources.settle(&d.Resources)
	c.Logging.settle(&d.Logging)
	c.Security.settle(&d.Security)
	fill(&c.Annotations, d.Annotations)
	if err := c.Network.settle(&d.Network); err != nil {
		return err
	}
	for name, value := range d.Sysctls {
		if _, set := c.Sysctls[name]; !set && c.owns(sysctlNamespace(name)) {
			fill(&c.Sysctls, map[string]string{name: value})
		}
	}
	return nil
}

// Given says whether a flag was given, be it with the value that it has without.
func (c *Container) Given(flag string) bool { return c.flags != nil && c.flags.Changed(flag) }

// owns says whether a container has a namespace of a kind to itself: what is set in there is nobody else's.
func (c *Container) owns(kind specs.LinuxNamespaceType) bool {
	if kind == specs.NetworkNamespace {
		return !shared(c.Network.Mode)
	}
	for _, ns := range c.modes() {
		if ns.kind == kind {
			return !shared(ns.mode)
		}
	}
	return false
}

// fill adds what a map does not have yet.
func fill[T any](to *map[string]T, from map[string]T) {
	if len(from) == 0 {
		return
	}
	all := maps.Clone(from)
	maps.Copy(all, *to)
	*to = all
}
