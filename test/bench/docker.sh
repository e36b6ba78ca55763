#!/bin/sh
# Runs a program beside Debian's Docker daemon, which has a directory and a socket of its own and ends with the program:
#
#     test/bench/docker.sh USER PROGRAM ARG...
#
# USER, and nobody else, may use the socket, whose address is the program's last argument, after -docker. Where there is no daemon, or
# nobody who may start it, the program runs without.
set -eu

user=$1
shift
if [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
	exec "$@"
fi
dir=$(mktemp -d /tmp/bench-docker.XXXXXX)
# Its mounts are in a mount namespace of its own, so they go with it.
unshare -m dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "unix://$dir/sock" \
	--bridge=none --iptables=false --ip6tables=false --storage-driver overlay2 >"$dir/log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do
	[ ! -S "$dir/sock" ] || break
	sleep 0.1
done
chmod 0711 "$dir"
chown "$user" "$dir/sock"
"$@" -docker "unix://$dir/sock"
