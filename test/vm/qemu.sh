#!/bin/sh
# Boots a virtual machine, with its console as the output, until it turns itself off or TIMEOUT seconds are over:
#
#     test/vm/qemu.sh ARCH DIRECTORY KEEP KERNEL-PARAMETERS DISK...
#
# DIRECTORY has its kernel, the first DISK is what it boots from. What is written to the disks is kept if KEEP is "keep".
# ACCEL=kvm is much quicker than the default, which needs nothing of the host.
set -eu
arch=$1 dir=$2 keep=$3 parameters=$4
shift 4

accel=${ACCEL:-tcg,thread=multi} snapshot=on
[ "$keep" != keep ] || snapshot=off
case $arch in
amd64) disk=virtio-blk-pci root=/dev/vda console=ttyS0 ;;
# What this kernel has a driver for built in, so that it needs no initrd, which only a machine of its architecture could make.
arm64) disk=nvme root=/dev/nvme0n1 console=ttyAMA0 ;;
*)
	echo "test/vm/qemu.sh: no virtual machine is known for $arch" >&2
	exit 2
	;;
esac

n=0
for file; do
	shift
	set -- "$@" -drive "file=$file,format=raw,cache=unsafe,if=none,id=disk$n,snapshot=$snapshot" -device "$disk,serial=disk$n,drive=disk$n"
	n=$((n + 1))
done
[ "$keep" != keep ] || set -- "$@" -no-reboot
[ ! -e "$dir/initrd" ] || set -- "$@" -initrd "$dir/initrd"
case $arch/$accel in
# cmpxchg16b leaves garbage among the flags in QEMU 7.2, and Linux 6.12 uses it: a double fault sooner or later.
amd64/tcg*) set -- qemu-system-x86_64 -cpu max,cx16=off "$@" ;;
amd64/*) set -- qemu-system-x86_64 -cpu max "$@" ;;
# Emulated as it is, pointer authentication takes most of the time.
arm64/tcg*) set -- qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on "$@" ;;
arm64/*) set -- qemu-system-aarch64 -M virt,gic-version=max -cpu max "$@" ;;
esac
# The address of the network is not slirp4netns's own: a container could not reach a host there.
exec timeout -k 10 "${TIMEOUT:-2400}" "$@" -accel "$accel" -m 2048 -smp 2 -nodefaults -display none -serial stdio \
	-kernel "$dir/vmlinuz" -append "root=$root console=$console quiet loglevel=1 $parameters" \
	-nic user,model=virtio-net-pci,net=192.168.76.0/24,restrict=on </dev/null
