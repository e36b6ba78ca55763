#!/bin/sh
# Installs what a step needs, on Debian and Ubuntu, as root or through sudo:
#
#     test/setup.sh build|run|test|sources|bench|vm
#     test/setup.sh cross-arm64|vm-arm64     for another architecture than this machine's
#
# RELEASE is the release of Debian that the virtual machine is to have, if not this machine's.
# It is quick, and asks nobody for a password, when everything is there already.
set -eu
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/moss
fixtures=/var/cache/moss-test

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

native=$(dpkg --print-architecture)

# packages installs those of its arguments that are missing. PACKAGE is this machine's, PACKAGE:ARCH one for another architecture.
packages() {
	missing=
	for package; do
		case $package in *:*) ours=${package#*:} ;; *) ours="(all|$native)" ;; esac
		dpkg-query -W -f '${Architecture} ${db:Status-Status}\n' "$package" 2>/dev/null | grep -Eqx "$ours installed" ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "installing:$missing" >&2
	as_root apt-get update -q >/dev/null
	# shellcheck disable=SC2086 # one word per package
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing >/dev/null
}

# where_offered installs a package if this release has it.
where_offered() {
	if apt-cache show "$1" >/dev/null 2>&1; then
		packages "$1"
	else
		echo "this release has no $1: what needs it is left out" >&2
	fi
}

# new_enough says whether the go command found is at least the one that go.mod asks for.
new_enough() {
	command -v go >/dev/null || return 1
	printf '%s\n%s\n' "$wanted" "$(GOFLAGS= GOTOOLCHAIN=local go version | sed 's/^go version go\([0-9.]*\).*/\1/')" | sort -VC
}

# toolchain makes sure of a Go that is new enough: the one in PATH, else Debian's, else the Go project's
# toolchain module, which any older go command can download and check like every other module.
toolchain() {
	wanted=$(sed -n 's/^go //p' go.mod)
	PATH=$cache/go/bin:$PATH:/usr/local/go/bin
	new_enough && return 0
	command -v go >/dev/null || packages golang-go ca-certificates
	new_enough && return 0
	module=golang.org/toolchain@v0.0.1-go$wanted.$(go env GOHOSTOS)-$(go env GOHOSTARCH)
	echo "downloading $module" >&2
	(cd / && GO111MODULE=on GOTOOLCHAIN=local GOFLAGS=-modcacherw go mod download "$module")
	dir=$(go env GOMODCACHE)/$module
	# A module's files are not executable.
	chmod -R u+w "$dir"
	chmod a+x "$dir"/bin/* "$dir"/pkg/tool/*/*
	mkdir -p "$cache"
	ln -sfn "$dir" "$cache/go"
}

# devices are open to everybody where udev runs; a bare machine has them for root alone.
devices() {
	for device in /dev/net/tun /dev/fuse; do
		[ ! -e "$device" ] || [ "$(stat -c %a "$device")" = 666 ] || as_root chmod 666 "$device"
	done
}

# user makes an account for the tests, with the run directory that a login would give it: on a tmpfs, where one may be mounted.
user() {
	id "$1" >/dev/null 2>&1 || as_root useradd --create-home --shell /bin/sh "$@"
	dir=/run/user/$(id -u "$1")
	[ -d "$dir" ] || as_root install -d -m 0755 /run/user
	[ -d "$dir" ] || as_root install -d -m 0700 -o "$1" -g "$1" "$dir"
	[ "$(stat -f -c %T "$dir")" = tmpfs ] ||
		as_root mount -t tmpfs -o "mode=0700,uid=$(id -u "$1"),gid=$(id -g "$1")" tmpfs "$dir" 2>/dev/null || true
}

users() {
	user mosstest
	grep -q '^mosstest:' /etc/subuid || as_root usermod --add-subuids 2000000-2065535 --add-subgids 2000000-2065535 mosstest
	user mossplain
	if grep -q '^mossplain:' /etc/subuid /etc/subgid; then
		as_root sed -i '/^mossplain:/d' /etc/subuid /etc/subgid
	fi
}

# debian keeps the tar of a minimal Debian: what the closing story imports.
debian() {
	[ ! -s "$fixtures/debian.tar" ] || return 0
	as_root sh -eu -c '
		install -d -m 0755 "$1"
		tree=$(mktemp -d "$1/debian.XXXXXX")
		trap "rm -rf \"$tree\"" EXIT
		. /etc/os-release
		mirror=$(apt-get indextargets --format "\$(SITE) \$(RELEASE) \$(COMPONENT)" "Created-By: Packages" |
			awk -v r="$VERSION_CODENAME" "\$2 == r && \$3 == \"main\" { print \$1; exit }")
		debootstrap --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$tree" "$mirror" >&2
		rm -rf "$tree"/var/cache/apt/archives/*.deb
		tar -C "$tree" --numeric-owner -cf "$1/debian.tar.new" .
		mv "$1/debian.tar.new" "$1/debian.tar"
	' sh "$fixtures"
}

# foreign keeps a program for another architecture and its emulator, with the line that registers it. The package of emulators is not
# installed: that would register them on this machine, and has those of thirty architectures.
foreign() {
	case $native in
	amd64) set -- arm64 aarch64 ;;
	*) set -- amd64 x86_64 ;;
	esac
	[ ! -s "$fixtures/foreign/hello" ] || return 0
	toolchain
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	CGO_ENABLED=0 GOARCH=$1 go build -ldflags "-s -w" -o "$work/hello" ./cmd/moss-hello
	(
		cd "$work"
		apt-get -o APT::Sandbox::User=root download -q qemu-user-static >/dev/null
		dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -xO "./usr/bin/qemu-$2-static" >"$2-binfmt-P" # the name says how it is called
		dpkg-deb --fsys-tarfile qemu-user-static_*.deb | tar -xO "./usr/lib/binfmt.d/qemu-$2.conf" |
			sed "s|:[^:]*/\([^:/]*\):\([A-Z]*\)\$|:$fixtures/foreign/\1:\2|" >register
		chmod 0755 "$2-binfmt-P"
	)
	as_root install -d -m 0755 "$fixtures/foreign"
	as_root install -m 0755 "$work/$2-binfmt-P" "$fixtures/foreign"
	as_root install -m 0644 "$work/register" "$fixtures/foreign"
	as_root install -m 0755 "$work/hello" "$fixtures/foreign"
}

# sources keeps what Moss is built of where every user can read it, for the story that builds it: this tree with its modules as it is now, and
# the Go toolchain without its own tests.
sources() {
	toolchain
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	go mod vendor -o "$work/vendor"
	git -c safe.directory='*' ls-files -z --cached --others --exclude-standard >"$work/list" 2>/dev/null ||
		find . -type f ! -path './bin/*' ! -path './libpod/embedded/bin/moss-*' -print0 >"$work/list" # an unpacked archive
	tar --null --ignore-failed-read --owner=0 --group=0 -T "$work/list" -cf "$work/sources.tar"
	tar -C "$work" --owner=0 --group=0 -rf "$work/sources.tar" vendor
	as_root install -D -m 0644 "$work/sources.tar" "$fixtures/sources.tar.new"
	as_root mv "$fixtures/sources.tar.new" "$fixtures/sources.tar"
	goroot=$(go env GOROOT)
	! cmp -s "$goroot/VERSION" "$fixtures/go/VERSION" || return 0
	as_root sh -eu -c '
		rm -rf "$1/go" "$1/go.new"
		mkdir "$1/go.new"
		tar -C "$2" --exclude=./test --exclude=./doc --exclude=./api --exclude=testdata --exclude="*_test.go" -c . |
			tar --no-same-owner -x -C "$1/go.new"
		chmod -R a+rX "$1/go.new"
		mv "$1/go.new" "$1/go"
	' sh "$fixtures" "$goroot"
}

# cross makes sure of what programs for another architecture are built with.
cross() {
	dpkg --print-foreign-architectures | grep -qx "$1" || as_root dpkg --add-architecture "$1"
	packages "gcc-$2-linux-gnu" "libseccomp-dev:$1" "musl-dev:$1"
}

# vm has a virtual machine for an architecture, in a directory.
vm() {
	case $1 in
	arm64) packages qemu-system-arm ;;
	*) packages qemu-system-x86 ;;
	esac
	packages ipxe-qemu debootstrap e2fsprogs busybox-static
	as_root test/vm/image.sh "$2${RELEASE:+-$RELEASE}" "$1" "${RELEASE-}"
}

for step; do
	case $step in
	build)
		packages gcc libc6-dev musl-tools libseccomp-dev pkg-config make git
		toolchain
		;;
	run)
		packages uidmap
		devices
		;;
	test)
		packages uidmap slirp4netns runc crun podman skopeo docker-registry debootstrap busybox-static \
			apache2-utils curl wrk ca-certificates iproute2 util-linux procps openssh-client perl rpm strace xz-utils
		where_offered passt # Debian 11 has none
		devices
		users
		debian
		foreign
		;;
	sources)
		sources
		;;
	bench)
		packages uidmap slirp4netns iperf3 wrk curl runc podman buildah skopeo bubblewrap docker-registry busybox-static ca-certificates
		where_offered passt
		devices
		users
		;;
	vm)
		vm "$native" "$fixtures/vm"
		;;
	vm-arm64)
		vm arm64 "$fixtures/$step"
		;;
	cross-arm64)
		cross arm64 aarch64
		;;
	*)
		echo "test/setup.sh: unknown step $step" >&2
		exit 2
		;;
	esac
done
