// Package storage is a narrow layer over go.podman.io/storage, the image store that Podman, Buildah
// and Skopeo share.
//
// It has two halves. Readers (Resolve, ListImages, ReadConfig) look at the store's files themselves,
// without opening the store, without a lock and outside of the user namespace: `moss run` and `moss
// images` pay a few file reads. Writers go through Store, which opens the library and needs to be
// root in the user's namespace.
//
// Only the overlay driver with native overlayfs is supported. Layers that were written through
// fuse-overlayfs (mount_program) before kernel 5.11 may hold whiteouts in its own format (.wh. files),
// which native overlayfs shows as files.
package storage
