package build

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/mosscontainers/moss/pkg/spec"
)

// surroundings is a part of the key of a RUN: what the flags say of all steps, as far as a command can tell the difference. It is empty where
// they say nothing.
//
// As with BuildKit the names of added hosts are in it, and their addresses are not. Nor is how much a step may use, which decides whether it
// comes to its end and not what it leaves, nor are the name servers, which are the machine's.
func surroundings(c *spec.Container) ([]byte, error) {
	var s spec.Container
	nothing, err := json.Marshal(&s)
	if err != nil {
		return nil, err
	}
	s.Namespaces, s.Security = c.Namespaces, c.Security
	s.Userns = "" // there is one
	s.Mounts = spec.Mounts{List: c.Mounts.List, ShmSize: c.ShmSize, Devices: c.Devices}
	s.Groups, s.NoHostname, s.NoHosts = c.Groups, c.NoHostname, c.NoHosts
	s.Rlimits, s.HostLimits = c.Rlimits, c.HostLimits
	if usual := []spec.Connection{{Name: spec.NetworkDefault}}; !reflect.DeepEqual(c.Networks, usual) {
		s.Network.Mode, s.Networks = c.Network.Mode, c.Networks
	}
	for _, host := range c.AddHosts {
		name, _, _ := strings.Cut(host, ":")
		s.AddHosts = append(s.AddHosts, name)
	}
	said, err := json.Marshal(&s)
	if err != nil || bytes.Equal(said, nothing) {
		return nil, err
	}
	return sorted(said)
}

// sorted has the keys of objects in order: what is generated writes maps as they come.
func sorted(object []byte) ([]byte, error) {
	in := json.NewDecoder(bytes.NewReader(object))
	in.UseNumber()
	var fields map[string]any
	if err := in.Decode(&fields); err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
