package main

import (
	_ "github.com/rootless-containers/rootlesskit/v3/pkg/port/builtin"
	_ "github.com/vishvananda/netlink"
	_ "github.com/google/nftables"
	_ "go.podman.io/image/v5/copy"
	_ "go.podman.io/image/v5/transports/alltransports"
	_ "go.podman.io/image/v5/pkg/docker/config"
	_ "go.podman.io/image/v5/pkg/shortnames"
	_ "go.podman.io/storage"
	_ "github.com/moby/profiles/seccomp"
	_ "github.com/seccomp/libseccomp-golang"
	_ "github.com/spf13/cobra"
	_ "github.com/vbauerster/mpb/v8"
	_ "github.com/opencontainers/cgroups/manager"
	_ "github.com/cyphar/filepath-securejoin/pathrs-lite"
	_ "github.com/moby/sys/capability"
	_ "github.com/moby/sys/user"
	_ "github.com/moby/term"
	_ "github.com/docker/go-units"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/google/go-containerregistry/pkg/registry"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/spf13/cobra/doc"
)

func main() {}
