#!/bin/sh
# The first process of a virtual machine for another architecture than this machine's, at its first boot: installs the
# packages that test/vm/image.sh could only unpack.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 INITRD=No DEBIAN_FRONTEND=noninteractive
mount -o remount,rw /
/debootstrap/debootstrap --second-stage && sh /root/configure.sh && echo 'the disk is made'
sync
busybox poweroff -f
