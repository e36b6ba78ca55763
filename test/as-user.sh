#!/bin/sh
# Runs tests, or a program, as another user when started by root:
#
#     test/as-user.sh USER go test ./PACKAGE...   compiled by root, run by USER
#     test/as-user.sh USER run PROGRAM ARG...
#
# Started by anybody else it runs them as the caller: as USER there is nobody to become.
set -eu

# inside is the part that go test's -exec starts, with the compiled test, in the package's directory.
if [ "${1-}" = inside ]; then
	user=$2
	shift 2
	# One at a time: tests ask that nothing of this user's is left.
	exec 9>"/run/moss-test-$user.lock"
	flock 9
	dir=$(mktemp -d "/tmp/m.XXXXXX")
	# The user may not be able to read this tree, nor Go's build directory.
	trap 'chmod -R u+rwx "$dir" 2>/dev/null; rm -rf "$dir"' EXIT
	mkdir "$dir/tmp" "$dir/home"
	cp "$1" "$dir/program"
	[ -z "${MOSS-}" ] || cp "$MOSS" "$dir/moss"
	for data in testdata stories; do
		[ ! -d "$data" ] || cp -r "$data" "$dir/"
	done
	chmod 0755 "$dir" "$dir/program"
	chmod -R go=u-w "$dir"
	chown -R "$user:" "$dir/tmp" "$dir/home"
	shift
	cd "$dir"
	uid=$(id -u "$user")
	setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
		env -i PATH="$PATH" LANG=C.UTF-8 USER="$user" LOGNAME="$user" HOME="$dir/home" TMPDIR="$dir/tmp" \
		XDG_RUNTIME_DIR="/run/user/$uid" STORIES="${STORIES-}" MOSS="${MOSS:+$dir/moss}" CI="${CI-}" \
		"$dir/program" "$@" 9>&-
	exit
fi

user=$1
shift
if [ "$(id -u)" != 0 ]; then
	case $user in
	root | mossplain) # only root can become these
		echo "skipping the part of $user: run make test as root for it" >&2
		exit 0
		;;
	esac
	[ "$1" != run ] || shift
	exec "$@"
fi
if [ "$1" = run ]; then
	shift
	exec "$0" inside "$user" "$@"
fi
go=$1
shift 2 # go test
[ "$user" != root ] || exec "$go" test "$@"
exec "$go" test -exec "$(realpath "$0") inside $user" "$@"
