#!/bin/sh
# Makes the disk of the virtual machine, and the kernel and initrd that it boots with, once:
#
#     test/vm/image.sh DIRECTORY
#
# It is this machine's release of Debian, from the mirror that apt uses here, with systemd, D-Bus and what Moss needs, but
# without Moss: that comes with each run. Remove DIRECTORY to have it made anew. KERNEL is the package of another kernel.
set -eu
dir=$1
here=$(cd "$(dirname "$0")" && pwd)
[ ! -s "$dir/disk.img" ] || exit 0

. /etc/os-release
# shellcheck disable=SC2016 # these are apt's variables
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	awk -v r="$VERSION_CODENAME" '$2 == r && $3 == "main" { print $1; exit }')

install -d -m 0755 "$dir"
tree=$(mktemp -d "$dir/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
debootstrap --variant=minbase --include="systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,\
uidmap,slirp4netns,iproute2,procps,util-linux,busybox-static,initramfs-tools,${KERNEL:-linux-image-cloud-$(dpkg --print-architecture)}" \
	"$VERSION_CODENAME" "$tree" "$mirror" >&2
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*

install -m 0644 "$here/moss-test.service" "$tree/etc/systemd/system/"
chroot "$tree" systemctl enable moss-test.service >&2
chroot "$tree" systemctl mask serial-getty@ttyS0.service systemd-timesyncd.service >&2
echo '/dev/vda / ext4 defaults 0 1' >"$tree/etc/fstab"
echo moss-vm >"$tree/etc/hostname"

# Two users as test/setup.sh has them: one with subordinate ids, for whom systemd runs all the time, and one without.
chroot "$tree" useradd --create-home --shell /bin/sh mosstest
chroot "$tree" useradd --create-home --shell /bin/sh mossplain
sed -i '/^mossplain:/d' "$tree/etc/subuid" "$tree/etc/subgid"
install -d "$tree/var/lib/systemd/linger"
touch "$tree/var/lib/systemd/linger/mosstest"

install -m 0644 "$tree"/boot/vmlinuz-* "$dir/vmlinuz"
install -m 0644 "$tree"/boot/initrd.img-* "$dir/initrd"
rm -f "$dir/disk.new"
mke2fs -q -t ext4 -d "$tree" "$dir/disk.new" 3G >&2
mv "$dir/disk.new" "$dir/disk.img"
