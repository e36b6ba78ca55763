#!/bin/sh
# Boots the virtual machine that test/vm/image.sh made, with a moss and its stories, and runs test/vm/inside.sh in it:
#
#     test/vm/run.sh ARCH IMAGE-DIRECTORY MOSS STORIES.TEST [PATTERN]
#
# Nothing is written to the image. UNITS is a directory with tests of packages, which run with a pattern's stories.
set -eu
arch=$1 image=$2 moss=$3 stories=$4 pattern=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/in"
cp "$moss" "$dir/in/moss"
cp "$stories" "$dir/in/stories.test"
cp -r "$here/../stories" "$here/inside.sh" "$dir/in/"
[ -z "${UNITS-}" ] || cp -r "$UNITS" "$dir/in/units"
echo "$pattern" >"$dir/in/pattern"
chmod -R a+rX "$dir/in"
/sbin/mke2fs -q -t ext4 -L moss-in -d "$dir/in" "$dir/in.img" 256M >&2

"$here/qemu.sh" "$arch" "$image" forget 'rw systemd.show_status=no' "$image/disk.img" "$dir/in.img" | tee "$dir/console"
grep -q '^[1-9][0-9]* passed, 0 failed' "$dir/console" || {
	echo "test/vm/run.sh: the tests in the virtual machine failed, or did not come to their end" >&2
	exit 1
}
