#!/bin/sh
# Makes the disk of the virtual machine, and the kernel and initrd that it boots with, once:
#
#     test/vm/image.sh DIRECTORY ARCH [RELEASE]
#
# It is that release of Debian, or this machine's, from the mirror that apt uses here, with systemd, D-Bus and what Moss and its stories need,
# but without Moss: that comes with each run. Remove DIRECTORY to have it made anew. KERNEL is the package of another kernel.
set -eu
dir=$1 arch=$2
here=$(cd "$(dirname "$0")" && pwd)
[ ! -s "$dir/disk.img" ] || exit 0

. /etc/os-release
# shellcheck disable=SC2016 # these are apt's variables
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	awk -v r="$VERSION_CODENAME" '$2 == r && $3 == "main" { print $1; exit }')
release=${3:-$VERSION_CODENAME}
packages="systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,\
uidmap,slirp4netns,iproute2,procps,util-linux,busybox-static,initramfs-tools,${KERNEL:-linux-image-cloud-$arch},\
ca-certificates,curl,docker-registry,openssh-client,runc,apparmor"
[ "$release" = bullseye ] || packages=$packages,passt
foreign=
[ "$arch" = "$(dpkg --print-architecture)" ] || foreign=--foreign

install -d -m 0755 "$dir"
tree=$(mktemp -d "$dir/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
debootstrap --variant=minbase --arch="$arch" $foreign --include="$packages" "$release" "$tree" "$mirror" >&2
install -D -m 0644 "$here/moss-test.service" -t "$tree/etc/systemd/system/"
install -m 0644 "$here/configure.sh" "$here/second-stage.sh" "$tree/root/"

if [ -z "$foreign" ]; then
	chroot "$tree" sh /root/configure.sh >&2
else # only the files of the kernel are needed until it runs
	dpkg-deb --fsys-tarfile "$tree"/var/cache/apt/archives/linux-image-[0-9]*.deb | tar -C "$tree" -x ./boot
fi
install -m 0644 "$tree"/boot/vmlinuz-* "$dir/vmlinuz"
[ "$arch" != amd64 ] || install -m 0644 "$tree"/boot/initrd.img-* "$dir/initrd"
rm -f "$dir/disk.new"
mke2fs -q -t ext4 -d "$tree" "$dir/disk.new" 3G >&2
if [ -n "$foreign" ]; then
	"$here/qemu.sh" "$arch" "$dir" keep 'panic=-1 init=/bin/sh -- /root/second-stage.sh' "$dir/disk.new" | tee "$dir/console" >&2
	grep -q '^the disk is made' "$dir/console"
fi
mv "$dir/disk.new" "$dir/disk.img"
