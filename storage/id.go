package storage

import "strings"

// ShortID is the first twelve digits of an id, for messages.
func ShortID(id string) string { return id[:min(len(id), 12)] }

// Repository is a full name without tag and digest.
func Repository(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		return name[:colon]
	}
	return name
}
