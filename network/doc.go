// Package network connects containers: it makes a container's network namespace, gives it an address on
// the user's bridge, and starts the way out of that bridge when the first container needs it.
//
//	container's namespace       user's namespace (the holder's)             host
//	eth0 10.88.0.N  ── veth ──  moss0 10.88.0.1/16 ── NAT ── tap0  ── slirp4netns
//
// Real root has no namespace of its own: its bridge lies in the host's namespace and needs no slirp4netns.
// Nothing here runs between two calls but slirp4netns, which ends with the user's namespace.
package network
