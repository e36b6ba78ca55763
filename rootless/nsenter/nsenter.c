/*
 * Everything here runs before the Go runtime starts, because the kernel lets only a process with a
 * single thread join or make a user namespace (user_namespaces(7)). It, door.c, full.c and late.c are the only C in Moss.
 * README.md in this directory says what it does and why it is so small.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lean.h"
#include "nsenter.h"

struct moss_entry moss_entry = {.lock_fd = -1};

/* Commands that only read: they never enter the namespace. Second words where the first is a group. */
static const char *const readers[] = {
	"attach", "completion", "__complete", "__completeNoDesc", "events", "help", "history", "images", "info",
	"inspect", "login", "logout", "logs", "port", "ps", "search", "version", "wait", NULL,
};
static const char *const group_readers[] = {
	"container attach", "container exists", "container inspect", "container list", "container logs", "container ls",
	"container port", "container ps", "container wait", "image exists", "image history", "image inspect",
	"image list", "image ls", "image scp", "image search", "image tree", "network exists", "network inspect", "network list", "network ls", "system info", "volume exists",
	"volume inspect", "volume list", "volume ls", NULL,
};
/* Commands whose mounts are for whoever called them, in the mount namespace of `moss unshare`. */
static const char *const no_mounters[] = {NULL};
static const char *const group_mounters[] = {"image mount", "image umount", "image unmount", NULL};
static const char *const groups[] = {"container", "image", "network", "system", "volume", NULL};

/* The commands that the front program has itself. */
static const char *const quick[] = {
	"__heal", "attach", "build", "create", "exec", "images", "info", "inspect", "kill", "logs", "port", "ps", "rename", "restart",
	"rm", "run", "start", "stop", "version", "wait", NULL,
};

/* Groups of which the front program has `build` alone. */
static const char *const builders[] = {"builder", "buildx", "image", NULL};

/* Global flags whose value is the next word. */
static const char *const valued[] = {
	"--log-level", "--network-config-dir", "--root", "--runroot", "--runtime", "--storage-driver", "--storage-opt", "--config",
	/* of peers: pkg/cli/foreign.go */
	"-c", "--context", "-H", "--host", "-l", "--tlscacert", "--tlscert", "--tlskey", "--cgroup-manager", "--conmon", "--events-backend", "--tmpdir",
	"--connection", "--url", NULL,
};

static bool listed(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

static bool is_called(const char *program, const char *name)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash ? slash + 1 : program, name) == 0;
}

/* Whether the program is called by its other name, which is that of an OCI runtime: all of its commands are ones that enter. */
static bool is_runtime(const char *program)
{
	return is_called(program, "moss-runtime");
}

int moss_is_quick(const char *command, const char *next)
{
	if (listed(builders, command))
		return next && (strcmp(next, "build") == 0 || strcmp(next, "b") == 0);
	return listed(quick, command);
}

/*
 * The command that a command line names: one word, or two where the first is a group. false where it asks for help, or for
 * nothing.
 */
static bool command_words(int argc, char **argv, const char *words[2])
{
	int n = 0;

	for (int i = 1; i < argc && n < 2; i++) {
		if (argv[i][0] == '-') {
			if (strcmp(argv[i], "--help") == 0 || (n == 0 && strcmp(argv[i], "-h") == 0))
				return false;
			if (n == 0 && listed(valued, argv[i]))
				i++;
			continue;
		}
		words[n++] = argv[i];
		if (n == 1 && !listed(groups, words[0]))
			break;
	}
	return n > 0; /* else help, --version */
}

/* Whether the command line names a command of the list: of the second word's where the first is a group. */
static bool names_command(int argc, char **argv, const char *const *singles, const char *const *pairs, bool *named)
{
	const char *words[2] = {NULL, NULL};
	char pair[64];

	*named = command_words(argc, argv, words);
	if (!*named)
		return false;
	if (!listed(groups, words[0]))
		return listed(singles, words[0]);
	if (words[1] == NULL)
		return *named = false;
	snprintf(pair, sizeof pair, "%s %s", words[0], words[1]);
	return listed(pairs, pair);
}

/* Whether the command line names a command that needs the user namespace. */
int moss_wants(int argc, char **argv)
{
	bool named;

	if (argc > 0 && is_runtime(argv[0]))
		return argc > 1 && argv[1][0] != 0 && !(argv[1][0] == '-' && argc == 2);
	return !names_command(argc, argv, readers, group_readers, &named) && named;
}

/* The user's directory for things that live until the next boot: pkg/config has the same rule. */
static bool is_own_dir(const char *path)
{
	struct stat st;

	return path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* Below /tmp anybody may have made it first: no link, and nobody else may enter. */
static bool is_private_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
}

static bool runtime_dir(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (xdg && is_own_dir(xdg))
		return snprintf(buf, size, "%s", xdg) < (int)size;
	snprintf(buf, size, "/run/user/%u", geteuid());
	if (is_own_dir(buf))
		return true;
	snprintf(buf, size, "/tmp/moss-%u", geteuid());
	return is_private_dir(buf);
}

/* Field 22 of /proc/PID/stat, which with the pid names one life of a process. 0 when there is none. */
static unsigned long long start_time(int pid)
{
	char path[64], stat[1024], *p;
	unsigned long long start = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (n <= 0)
		return 0;
	stat[n] = 0;
	p = strrchr(stat, ')');
	/* after ")": state is field 3 */
	if (p == NULL || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return 0;
	sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
	return start;
}

static int join(const char *path, int kind)
{
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	err = setns(fd, kind);
	close(fd);
	return err;
}

static int join_user(int pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	return join(path, CLONE_NEWUSER);
}

/* Whether this command is one of the mounters. */
static bool mounts_for_caller;

/*
 * Makes a mount namespace for this process alone, in which it may mount what it needs to. The quick commands mount nothing,
 * and taking it apart would make whoever waits for one wait longer.
 */
static void own_mounts(void)
{
#ifndef MOSS_FRONT
	if (!mounts_for_caller && unshare(CLONE_NEWNS) < 0)
		moss_entry.error = errno;
#endif
}

/*
 * Stays for as long as somebody holds users.lock, and linger seconds longer, then removes the file record and ends. A large program
 * that does little, for days: it lets go of all of itself but of this function and its stack. What libc has written into its data
 * is lost by that, so no function of libc may be called in here.
 */
static void keep(unsigned linger, const char *record)
{
	for (;;) {
		struct timespec left;
		struct stat before, after;

		/* while a container or a command of the user's is alive */
		wait_lean(SYS_flock, MOSS_HOLDER_LOCK, LOCK_EX, 0, 0);
		direct(SYS_fstat, MOSS_HOLDER_LOCK, (long)&before, 0, 0);
		direct(SYS_flock, MOSS_HOLDER_LOCK, LOCK_UN, 0, 0);
		left.tv_sec = linger;
		left.tv_nsec = 0;
		while (wait_lean(SYS_nanosleep, (long)&left, (long)&left, 0, 0) == -EINTR)
			;
		if (direct(SYS_flock, MOSS_HOLDER_LOCK, LOCK_EX | LOCK_NB, 0, 0) < 0)
			continue;
		direct(SYS_fstat, MOSS_HOLDER_LOCK, (long)&after, 0, 0);
		/* every user sets the file's times: see moss_enter */
		if (before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec) {
			direct(SYS_unlinkat, AT_FDCWD, (long)record, 0, 0);
			direct(SYS_exit_group, 0, 0, 0, 0);
		}
		direct(SYS_flock, MOSS_HOLDER_LOCK, LOCK_UN, 0, 0);
	}
}

/* _MOSS_JOIN is a process in the user namespace that is to be kept, 0 for one that this process is in already. */
static int enter_or_make_user(const char *member)
{
	if (member == NULL)
		return unshare(CLONE_NEWUSER);
	return atoi(member) == 0 ? 0 : join_user(atoi(member));
}

/*
 * The holder: keeps the user namespace, the user's network namespace and the descriptors it was given
 * alive for as long as somebody holds users.lock, and some seconds longer. Descriptors: see nsenter.h.
 */
static void hold(void)
{
	const char *linger_env = getenv("_MOSS_LINGER");
	const char *member = getenv("_MOSS_JOIN"), *netns = getenv("_MOSS_NETNS");
	int linger = linger_env ? atoi(linger_env) : 10;
	char byte = 'u', path[4096];
	int null;

	if (enter_or_make_user(member) < 0 || (netns ? join(netns, CLONE_NEWNET) : unshare(CLONE_NEWNET)) < 0)
		byte = (char)errno;
	if (write(MOSS_HOLDER_SYNC, &byte, 1) != 1 || byte != 'u')
		_exit(1);
	/* the parent writes the id maps, then one byte */
	if (read(MOSS_HOLDER_SYNC, &byte, 1) != 1)
		_exit(1);
	close(MOSS_HOLDER_SYNC);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(1);
	/* or /proc/PID/ns is closed to the user's own commands, outside of the namespace */
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_NAME, "moss-holder");
	snprintf(path, sizeof path, "%s", getenv("_MOSS_HOLDER"));
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
	/* whatever the caller had open: somebody may wait for its end */
	syscall(SYS_close_range, MOSS_HOLDER_EXIT_W + 1, ~0U, 0);
	if (chdir("/") < 0)
		_exit(1);
	moss_find_program();
	/* whoever has it made must come to join it */
	keep(linger < 1 ? 1 : (unsigned)linger, path);
}

/*
 * Reads <runtime dir>/moss/ns/holder, "PID STARTTIME" and more, and joins it. The shared lock is taken before the file
 * is read: a holder that found no user has removed the file before it let go of its exclusive lock.
 */
static void enter_holder(void)
{
	char dir[4000], path[4096], line[128];
	unsigned long long start = 0;
	ssize_t n;
	int pid = 0, fd;

	if (!runtime_dir(dir, sizeof dir))
		return;
	snprintf(path, sizeof path, "%s/moss/ns/users.lock", dir);
	moss_entry.lock_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (moss_entry.lock_fd < 0)
		return;
	flock(moss_entry.lock_fd, LOCK_SH);
	futimens(moss_entry.lock_fd, NULL);
	snprintf(path, sizeof path, "%s/moss/ns/holder", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	n = read(fd, line, sizeof line - 1);
	close(fd);
	if (n <= 0)
		return;
	line[n] = 0;
	if (sscanf(line, "%d %llu", &pid, &start) != 2 || start == 0 || start_time(pid) != start)
		return;
	if (join_user(pid) < 0)
		return;
	moss_entry.joined = 1;
	moss_entry.holder = pid;
	own_mounts();
}

/* The value of a flag with this name at argv[i], or NULL. */
static const char *flag_value(char **argv, int i, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(argv[i], name, n) != 0)
		return NULL;
	return argv[i][n] == '=' ? argv[i] + n + 1 : argv[i][n] == 0 ? argv[i + 1] : NULL;
}

unsigned moss_fresh(int argc, char **argv)
{
	static const char *const others[] = {"--pid", "--ipc", "--uts", "--cgroupns", NULL};
	static const char *const network[] = {"--network", "--net", NULL};
	unsigned fresh = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	for (int i = 2; i < argc; i++) {
		for (const char *const *name = others; *name; name++)
			if (flag_value(argv, i, *name))
				return 0;
		for (const char *const *name = network; *name; name++) {
			const char *value = flag_value(argv, i, *name);

			if (value && strcmp(value, "none") == 0)
				fresh |= CLONE_NEWNET;
		}
	}
	return fresh;
}

/* What the monitor is told first: libpod/monitor/wire.go. */
struct fresh_word {
	char word;
	unsigned char flags[4]; /* little endian */
};

/* Has the monitor begin with the container's first process. What turns out to be different costs time, and nothing else. */
static void tell_fresh(int control, unsigned fresh)
{
	struct fresh_word w = {.word = MOSS_MONITOR_FRESH};

	for (int i = 0; i < 4; i++)
		w.flags[i] = (unsigned char)(fresh >> 8 * i);
	if (fresh != 0 && write(control, &w, sizeof w) == sizeof w)
		moss_entry.fresh = fresh;
}

/*
 * Starts the monitor that moss run is going to need: it and the Go runtime of this process start up at the same
 * time. Whoever has no use for it closes its control socket, and it ends. Where something fails, Go tries again.
 */
static void start_monitor(int argc, char **argv)
{
	/* room for the container's id, which the monitor writes there once it is told */
	static char room[] = "                                                                ";
	static char *const monitor_argv[] = {"moss-monitor", room, NULL};
	static char *const envp[] = {
		"GOMAXPROCS=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL,
	};
	char program[64];
	int pair[2], lock, control, null;
	pid_t pid;

	snprintf(program, sizeof program, "/proc/%d/fd/%d", moss_entry.holder, MOSS_HOLDER_PROGRAM);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	/* out of the way of the numbers they are going to have */
	control = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
	lock = fcntl(moss_entry.lock_fd, F_DUPFD_CLOEXEC, 10);
	tell_fresh(pair[0], moss_fresh(argc, argv));
	pid = null < 0 || control < 0 || lock < 0 ? -1 : vfork();
	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		dup2(control, MOSS_MONITOR_CONTROL);
		dup2(lock, MOSS_MONITOR_USERS_LOCK);
		setsid();
		prctl(PR_SET_TIMERSLACK, MOSS_LATE_TIMERS);
		if (chdir("/") == 0)
			execve(program, monitor_argv, envp);
		_exit(1);
	}
	close(null);
	close(control);
	close(lock);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return;
	}
	moss_entry.monitor = pid;
	moss_entry.control = pair[0];
}

/* What is opened here must not become the standard output, say, of a command that was started without one. */
static void open_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return;
}

/* Ends with a sentence, at once. */
static void give_up(const char *sentence)
{
	if (write(2, sentence, strlen(sentence)) < 0) {
	}
	_exit(125);
}

/*
 * With less than this the Go runtime ends with a trace, before anybody asks for anything, or at its next thread: so much address space, memory for data, and
 * some files and threads. Where a limit is high, nobody looks for how much of it is left.
 */
#ifdef MOSS_FRONT
#define LEAST_DATA 96 /* MB */
#else
#define LEAST_DATA 256
#endif
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

static void make_sure_of_memory(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < (rlim_t)2 << 30)
		give_up("moss: cannot begin: less than 2 GB of address space is allowed; ulimit -v raises the limit\n");
	if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur < (rlim_t)LEAST_DATA << 20)
		give_up("moss: cannot begin: less than " TEXT(LEAST_DATA) " MB of memory for data is allowed; ulimit -d raises the limit\n");
}

static void make_sure_of_files(void)
{
	enum { few = 7, enough = 1024 };
	struct rlimit limit;
	int files[few], n = 0;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max >= enough || limit.rlim_cur < limit.rlim_max)
		return; /* Go goes up to the harder limit itself */
	while (n < few && (files[n] = epoll_create1(EPOLL_CLOEXEC)) >= 0)
		n++;
	if (n < few)
		give_up("moss: cannot begin: too many open files; ulimit -n raises the limit\n");
	while (n > 0)
		close(files[--n]);
}

/* Is there until the other end of the pipe is closed. */
static int be_there(void *end)
{
	char none;

	return (int)read(((int *)end)[0], &none, 1);
}

/* A limit is of all processes and threads of a user: how many there are already, only the attempt tells. */
static void make_sure_of_threads(bool runs)
{
	enum { enough = 1024, most = 24 };
	int few = runs ? most : 8; /* a monitor and a container's first process are begun too */
	static char stacks[most][4096] __attribute__((aligned(16)));
	struct rlimit limit;
	pid_t child[most];
	int end[2], n = 0;

	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur >= enough || pipe2(end, O_CLOEXEC) < 0)
		return;
	while (n < few && (child[n] = clone(be_there, stacks[n] + sizeof stacks[n], CLONE_VM | CLONE_FILES | SIGCHLD, end)) > 0)
		n++;
	close(end[1]);
	for (int i = 0; i < n; i++)
		waitpid(child[i], NULL, 0);
	close(end[0]);
	if (n < few)
		give_up("moss: cannot begin: too many processes of this user; ulimit -u raises the limit\n");
}

static void make_sure_of_limits(bool runs)
{
	make_sure_of_memory();
	make_sure_of_files();
	make_sure_of_threads(runs);
}

/*
 * The command line, of which only glibc tells constructors, with a NULL after its end. One that is longer than this is cut: what
 * counts is at its beginning. Returns argc; 0 without /proc.
 */
static int command_line(char **argv, int max)
{
	static char line[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC), argc = 0;
	ssize_t n;

	argv[0] = NULL;
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof line - 1);
	close(fd);
	for (char *p = line; p < line + n && argc < max - 1; p += strlen(p) + 1)
		argv[argc++] = p;
	argv[argc] = NULL;
	return argc;
}

#ifdef MOSS_FRONT
/* Whether this is something that the front program does not do. Where that is not sure, it finds out itself. */
static bool is_for_full(int argc, char **argv)
{
	if (getenv("_MOSS_FULL") || (argc > 0 && (is_runtime(argv[0]) || is_called(argv[0], "moss-seccomp"))))
		return true;
	return argc > 1 && argv[1][0] != '-' && !moss_is_quick(argv[1], argc > 2 ? argv[2] : NULL);
}
#endif

__attribute__((constructor)) static void moss_enter(void)
{
	char *argv[64];
	int argc;
	const char *entry;
	bool named;

	open_streams();
	moss_entry.uid = geteuid();
	moss_entry.gid = getegid();
	if (getenv("_MOSS_HOLDER"))
		hold(); /* does not return */
	argc = command_line(argv, sizeof argv / sizeof *argv);
	if (getenv("_MOSS_UPLINK"))
		moss_keep_door(argv); /* neither */
	make_sure_of_limits(argc > 1 && strcmp(argv[1], "run") == 0);
#ifdef MOSS_FRONT
	if (is_for_full(argc, argv))
		moss_entry.no_full = moss_become_full();
#endif
	mounts_for_caller = names_command(argc, argv, no_mounters, group_mounters, &named);
	entry = getenv("_MOSS_ENTRY");
	if (entry && sscanf(entry, "%u %u %d %d", &moss_entry.uid, &moss_entry.gid, &moss_entry.holder, &moss_entry.lock_fd) == 4) {
		moss_entry.joined = 1;
		fcntl(moss_entry.lock_fd, F_SETFD, FD_CLOEXEC);
		own_mounts();
		return;
	}
	/* a command that found out itself what it needs has been executed again: Namespace.Enter */
	if (moss_entry.uid == 0 || !(getenv("_MOSS_ENTERED") || moss_wants(argc, argv)))
		return;
	enter_holder();
	if (moss_entry.joined && argc > 1 && strcmp(argv[1], "run") == 0)
		start_monitor(argc, argv);
}
