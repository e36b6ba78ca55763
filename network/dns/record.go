// Package dns keeps the user's DNS server: the files from which it knows who has which name, and its start. The server
// itself is in package server, a program of its own, so that nobody who only connects a container loads it.
//
// The files are all the state there is. Each network has a directory, and in that one file for itself and one for each of
// its containers: whoever connects a container writes its file, and the server reads it when somebody asks.
package dns

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/mosscontainers/moss/pkg/sys"
)

// Domain is the search domain of containers, as Podman has it: every name that the server knows is known below it, too.
const Domain = "dns.podman"

// Network is what the server knows of a network.
type Network struct {
	Name string `json:"name"`
	// Gateways are the bridge's own addresses, where the server listens.
	Gateways []netip.Addr `json:"gateways"`
	// Internal says that containers on this network alone have no way out: nothing of theirs is forwarded.
	Internal bool `json:"internal,omitempty"`
	// Servers, when there are any, are asked instead of the host's.
	Servers []netip.Addr `json:"servers,omitempty"`
	// Host, when valid, is the address of host.containers.internal and host.docker.internal.
	Host netip.Addr `json:"host,omitzero"`
}

// Entry is a container on a network.
type Entry struct {
	// Names are all names of the container, its own first. Two containers may share one.
	Names     []string     `json:"names"`
	Addresses []netip.Addr `json:"addresses"`
	// Servers, when there are any, are asked for the container instead of its networks' and the host's.
	Servers []netip.Addr `json:"servers,omitempty"`
	// Egress are the names of each egress list that holds on the network. Where there are lists, the container gets answers to the
	// names that all of them have, and to no others (package egress).
	Egress [][]string `json:"egress,omitempty"`
	// Process is the container's monitor or first process: the entry counts while it lives.
	Process sys.Process `json:"process"`
}

// networkFile is the name of a network's own file; a container's is its id.
const (
	networkFile = "network" + suffix
	suffix      = ".json"
)

// Dir is where the directories of the networks are, one for each bridge, below the network's run directory.
func Dir(runDir string) string { return filepath.Join(runDir, "dns") }

func networkDir(runDir, bridge string) string { return filepath.Join(Dir(runDir), bridge) }

// WriteNetwork tells of a network; bridge is the name of its interface. Call Ensure afterwards.
func WriteNetwork(runDir, bridge string, n Network) error {
	return write(networkDir(runDir, bridge), networkFile, n)
}

// Known says whether somebody has told of a network.
func Known(runDir, bridge string) bool {
	_, err := os.Lstat(filepath.Join(networkDir(runDir, bridge), networkFile))
	return err == nil
}

// Path is the file that Write writes.
func Path(runDir, bridge, container string) string {
	return filepath.Join(networkDir(runDir, bridge), container+suffix)
}

// RemoveNetwork makes the server forget a network and everybody on it.
func RemoveNetwork(runDir, bridge string) error { return os.RemoveAll(networkDir(runDir, bridge)) }

// Write tells of a container on a network, which has been written. Call Ensure afterwards.
func Write(runDir, bridge, container string, e Entry) error {
	return write(networkDir(runDir, bridge), container+suffix, e)
}

// Remove makes the server forget a container on a network. That it knows none is no error.
func Remove(runDir, bridge, container string) error {
	err := os.Remove(filepath.Join(networkDir(runDir, bridge), container+suffix))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// write replaces a file in one step; one command may start several containers at the same time. What a killed writer leaves begins with a dot and is nobody's.
func write(dir, name string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	return sys.WriteWhole(filepath.Join(dir, name), sys.Bytes(data))
}

// ReadNetwork reads the file of the network in whose directory it is.
func ReadNetwork(dir string) (Network, error) {
	return readFile[Network](filepath.Join(dir, networkFile))
}

// ReadEntry reads the file of a container.
func ReadEntry(dir, container string) (Entry, error) {
	return readFile[Entry](filepath.Join(dir, container+suffix))
}

// Container is the id of the container whose file has this name; ok is false for other files.
func Container(file string) (id string, ok bool) {
	id, ok = strings.CutSuffix(file, suffix)
	return id, ok && file != networkFile && !strings.HasPrefix(file, ".")
}

func readFile[T any](path string) (content T, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return content, err
	}
	if err := json.Unmarshal(data, &content); err != nil {
		return content, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return content, nil
}
