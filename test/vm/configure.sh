#!/bin/sh
# Makes the Debian that it runs in the virtual machine's: the last step of test/vm/image.sh.
set -eu

systemctl enable moss-test.service
systemctl mask serial-getty@ttyS0.service serial-getty@ttyAMA0.service systemd-timesyncd.service
echo moss-vm >/etc/hostname

# Two users as test/setup.sh has them: one with subordinate ids, for whom systemd runs all the time, and one without.
useradd --create-home --shell /bin/sh mosstest
useradd --create-home --shell /bin/sh mossplain
sed -i '/^mossplain:/d' /etc/subuid /etc/subgid
install -d /var/lib/systemd/linger
touch /var/lib/systemd/linger/mosstest

rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
