//go:build moss_root

package main

// Containers of real root are kept from devices by their cgroups. In a user namespace there are no such rules, so only root's monitors are
// built with what it takes to make them.
import _ "github.com/opencontainers/cgroups/devices"
