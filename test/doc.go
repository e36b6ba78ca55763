// Package test tells, in scripts under stories, what people do with Moss: one file per story, run with the
// real program on real images. `make stories` runs them as an unprivileged user (everyone, rootless), as one
// without subordinate ids (single) and as root (everyone). CONTRIBUTING.md says how to write one.
package test
