#!/bin/sh
# Runs in the virtual machine as root: the stories from every place a user can start containers from, and what only
# root can bring about: the end of a session, of systemd for a user, of user namespaces, of the machine.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
memory=/var/lib/moss-vm # outlasts a reboot
mkdir -p "$memory"
pattern=$(cat /mnt/pattern)

# Ways to run a shell command as a user: in a login session, in a unit of theirs, and as cron and su do. systemd 252 takes a unit with a
# session for one that has not started yet, until it ends.
session() {
	systemd-run -q --pipe --wait --collect -p Type=exec -p TimeoutStartSec=infinity -p PAMName=login -p User="$1" -- sh -c "cd; . $memory/env; $2"
}
unit() { systemd-run -q --user -M "$1@" --pipe --wait --collect -p Type=exec -- sh -c "cd; . $memory/env; $2"; }
cron() {
	setpriv --reuid "$1" --regid "$1" --init-groups env -i HOME="/home/$1" USER="$1" LOGNAME="$1" sh -c "cd; . $memory/env; $2"
}
root() { sh -c "cd; . $memory/env; $2"; }

# check WHAT COMMAND...: the command must succeed; what it said is shown if it does not.
check() {
	what=$1
	shift
	if "$@" >/tmp/said 2>&1 </dev/null; then
		verdict=ok
	else
		verdict="not ok ($?)"
		cat /tmp/said
	fi
	echo "$verdict - $what" | tee -a "$memory/verdicts"
}

# says PATTERN WAY USER COMMAND: what the command prints has a line that matches.
says() {
	wanted=$1
	shift
	"$@" >/tmp/printed 2>&1
	cat /tmp/printed
	grep -Eq "$wanted" /tmp/printed
}

# eventually COMMAND...: it succeeds within a minute.
eventually() {
	for _ in $(seq 60); do
		"$@" && return
		sleep 1
	done
	return 1
}

not() { ! "$@"; }

stories() { echo "STORIES=1 exec /mnt/stories.test -test.count=1 -test.timeout 20m -test.run '$1'"; }

first_boot() {
	for link in /sys/class/net/e*; do ip link set "${link##*/}" up && ip addr add 192.168.76.15/24 dev "${link##*/}"; done
	ip route add default via 192.168.76.2 # which leads nowhere, but tells which address is the machine's
	echo "export PATH=/mnt:$PATH LANG=C.UTF-8 TMPDIR=/tmp MOSS=/mnt/moss; cd /mnt" >"$memory/env"
	[ "$(printf '5.12\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 5.12 ] || old_kernel
	if [ -n "$pattern" ]; then
		check "$pattern" session mosstest "$(stories "$pattern")"
		check "$pattern as root" root root "$(stories "$pattern")"
		for tests in /mnt/units/*.test; do
			[ ! -e "$tests" ] || check "${tests##*/}" root root "exec $tests -test.count=1"
		done
		finish
	fi
	check 'the stories in a login session' session mosstest "$(stories TestStories/systemd)"
	check 'the stories in a unit' unit mosstest "$(stories TestStories/systemd)"
	check 'the stories as cron runs them' cron mosstest "$(stories TestStories/systemd)"
	check 'the stories as root' root root "$(stories TestStories/systemd)"
	check 'devices of containers of root' root root "$(stories TestStories/everyone/devices)"
	check 'the stories with a single id' session mossplain "$(stories 'TestStories/(systemd|single)')"
	check 'the machine has its mounts still' test -e /sys/fs/cgroup/cgroup.procs -a -e /dev/pts/ptmx
	sed 's/^export/export MOSS_LINGER=1/' -i "$memory/env"
	image
	logout
	no_systemd
	no_namespaces
	before_reboot
}

# old_kernel: nothing runs where moss cannot change mounts, and nothing is left of what was tried.
old_kernel() {
	old='^moss: cannot run containers on Linux [0-9].*needs Linux 5.12'
	for user in mosstest root; do
		way=cron
		[ $user != root ] || way=root
		check "an old kernel has its sentence for $user" says "$old" $way $user 'moss run localhost/hello'
		check "and is all that is said to $user" test "$(wc -l </tmp/printed)" = 1
		check "no container of $user's is left" not says . $way $user 'moss ps -aq'
	done
	check 'builds have it too' says "$old" root root 'cd /tmp && printf "FROM localhost/hello\nRUN [\"/hello\"]\n" >Dockerfile && moss build .'
	finish
}

# image gives every user an image to play with.
image() {
	mkdir -p /tmp/tree/bin
	cp /bin/busybox /tmp/tree/bin/
	for applet in sh sleep true cat; do ln -sf busybox "/tmp/tree/bin/$applet"; done
	tar -C /tmp/tree -cf /tmp/tree.tar .
	for user in mosstest mossplain; do check "import as $user" session $user 'moss import -q /tmp/tree.tar box'; done
}

# logout: with lingering, nothing that runs in the background ends with the session, however strict logind is.
logout() {
	mkdir -p /etc/systemd/logind.conf.d
	printf '[Login]\nKillUserProcesses=yes\n' >/etc/systemd/logind.conf.d/kill.conf
	systemctl restart systemd-logind
	check 'a container in the background' session mosstest 'moss run -d --name kept box sleep 100000 && moss run -d --name stray --cgroupns host box sleep 100000'
	eventually not systemctl --quiet is-active 'session-*.scope'
	check 'logout leaves it' says '^running$' cron mosstest 'moss inspect --format "{{.State.Status}}" kept'
	check 'and its network' cron mosstest 'moss run --rm box true'
	check 'its session is over' not systemctl --quiet is-active 'session-*.scope'
	check 'it can be removed' cron mosstest 'moss rm -f -t 0 kept stray'
	check 'the scope goes with the last' eventually test ! -e /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/moss.scope
}

# no_systemd: for a user who is not logged in and does not linger systemd runs nothing.
no_systemd() {
	systemctl stop user@1001.service user-runtime-dir@1001.service
	check 'no systemd: one warning' says '^moss: warning: cannot apply --memory, --pids-limit.*enable-linger 1001$' cron mossplain \
		'moss run --rm --memory 64m --pids-limit 9 box true'
	check 'no systemd: no more than that' test "$(grep -c 'cannot apply' /tmp/printed)" = 1
	check 'no systemd, no limits: nothing said' not says . cron mossplain 'moss run --rm box true'
}

no_namespaces() {
	eventually not pgrep -u mosstest moss-holder >/dev/null
	sysctl -qw user.max_user_namespaces=0
	check 'user.max_user_namespaces=0 has its sentence' says 'limited to 0; as root: sysctl -w user.max_user_namespaces=' \
		cron mosstest 'moss run --rm box true'
	sysctl -qw user.max_user_namespaces=15000
	check 'and is over when it is raised' cron mosstest 'moss run --rm box true'
}

before_reboot() {
	check 'containers before a reboot' session mosstest 'moss run -d --name plain -p 8099:80 box sleep 100000 &&
		moss run -d --name always --restart always box sleep 100000 && moss run -d --rm --name volatile box sleep 100000'
	touch "$memory/rebooted" /run/moss-reboot
	sync
	systemctl --no-block reboot
	exit 0
}

second_boot() {
	check 'after a reboot they have ended' says '^plain Exited \(137\)' session mosstest 'moss ps -a --format "{{.Names}} {{.Status}}"'
	check 'and do not start by themselves' not says . session mosstest 'moss ps -q'
	check 'one with --rm is gone, its name free' session mosstest 'moss run --rm --name volatile box true'
	check 'nothing hinders a start' says '^always|plain' session mosstest 'moss start plain always'
	check 'they run' says '^running$' session mosstest 'moss inspect --format "{{.State.Status}}" plain'
	check 'and can be removed' session mosstest 'moss rm -f -t 0 plain always'
	finish
}

finish() {
	failed=$(grep -c '^not ok' "$memory/verdicts")
	echo "$(grep -c '^ok' "$memory/verdicts") passed, $failed failed"
	exit 0
}

if [ -e "$memory/rebooted" ]; then second_boot; else first_boot; fi
