#!/bin/sh
# Boots the virtual machine that test/vm/image.sh made, with a moss and its stories, and runs test/vm/inside.sh in it:
#
#     test/vm/run.sh IMAGE-DIRECTORY MOSS STORIES.TEST [PATTERN]
#
# Nothing is written to the image. ACCEL=kvm is much quicker than the default, which needs nothing of the host.
set -eu
image=$1 moss=$2 stories=$3 pattern=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/in"
cp "$moss" "$dir/in/moss"
cp "$stories" "$dir/in/stories.test"
cp -r "$here/../stories" "$here/inside.sh" "$dir/in/"
echo "$pattern" >"$dir/in/pattern"
chmod -R a+rX "$dir/in"
/sbin/mke2fs -q -t ext4 -d "$dir/in" "$dir/in.img" 256M >&2

# The address of the network is not slirp4netns's own: a container could not reach a host there.
timeout -k 10 "${TIMEOUT:-2400}" qemu-system-x86_64 -accel "${ACCEL:-tcg,thread=multi}" -cpu max -m 2048 -smp 2 \
	-nodefaults -display none -snapshot -serial stdio \
	-kernel "$image/vmlinuz" -initrd "$image/initrd" \
	-append "root=/dev/vda console=ttyS0 quiet loglevel=1 systemd.show_status=no" \
	-drive "file=$image/disk.img,format=raw,if=virtio" -drive "file=$dir/in.img,format=raw,if=virtio" \
	-nic user,model=virtio-net-pci,net=192.168.76.0/24,restrict=on </dev/null | tee "$dir/console"
grep -q '^[1-9][0-9]* passed, 0 failed' "$dir/console" || {
	echo "test/vm/run.sh: the tests in the virtual machine failed, or did not come to their end" >&2
	exit 1
}
