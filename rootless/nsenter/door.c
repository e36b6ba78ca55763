/*
 * The door-keeper of moss-uplink. That program, with the TCP/IP stack that it has, is needed only while a container speaks with the
 * outside, and takes milliseconds to start. So this process waits for the first frame that a namespace sends, starts the program, which
 * leaves when nobody has said anything for a while and no connection is open, and waits again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "lean.h"
#include "nsenter.h"

/* Pauses after a program that failed, in milliseconds: the next is longer each time, unless it had lived for some seconds. */
enum { FIRST_PAUSE = 100, LAST_PAUSE = 60000, LIVED = 10 };

#ifndef SYS_landlock_restrict_self
#define SYS_landlock_restrict_self 446 /* on all processors */
#endif

/*
 * Takes what neither this process nor the program needs: capabilities, the user's files, and whoever might trace it. Done here it costs
 * the program nothing, which would have to do it in each of its threads.
 */
static bool drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}, {0}};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return false;
	return fcntl(MOSS_DOOR_RULES, F_GETFD) < 0 || syscall(SYS_landlock_restrict_self, MOSS_DOOR_RULES, 0) == 0;
}

/* The child that becomes the program. It ends with its parent, which would start another otherwise. */
static inline __attribute__((always_inline)) void become(char **argv, long parent)
{
	char *envp[] = {NULL};

	direct(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (direct(SYS_getppid, 0, 0, 0, 0) == parent)
		direct(SYS_execve, (long)"/proc/self/fd/7", (long)argv, (long)envp, 0);
	direct(SYS_exit_group, 1, 0, 0, 0);
}
_Static_assert(MOSS_DOOR_PROGRAM == 7, "the path of the program names its descriptor");

static inline __attribute__((always_inline)) long seconds(void)
{
	struct timespec now;

	direct(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
	return now.tv_sec;
}

/* Waits until there are frames. It ends with the last writer of the pipe, and with the interface. */
static inline __attribute__((always_inline)) void await_frames(void)
{
	for (;;) {
		struct pollfd ends[] = {{.fd = MOSS_DOOR_EXIT}, {.fd = MOSS_DOOR_TAP, .events = POLLIN}};

		if (wait_lean(SYS_ppoll, (long)ends, 2, 0, 0) == -EINTR)
			continue;
		if (ends[0].revents || (ends[1].revents & ~POLLIN))
			direct(SYS_exit_group, 0, 0, 0, 0);
		if (ends[1].revents)
			return;
	}
}

/* Starts the program whenever it is needed. No function of libc may be called in here: see lean.h. */
static void keep_door(char **argv, long self)
{
	long pause = FIRST_PAUSE;

	for (;;) {
		struct timespec left;
		long began, pid;
		int status = 0;

		await_frames();
		began = seconds();
		pid = direct(SYS_clone, SIGCHLD, 0, 0, 0);
		if (pid == 0)
			become(argv, self);
		while (pid > 0 && wait_lean(SYS_wait4, pid, (long)&status, 0, 0) == -EINTR)
			;
		if (seconds() - began >= LIVED)
			pause = FIRST_PAUSE;
		if (pid > 0 && status == 0)
			continue;
		left.tv_sec = pause / 1000;
		left.tv_nsec = pause % 1000 * 1000000;
		while (wait_lean(SYS_nanosleep, (long)&left, (long)&left, 0, 0) == -EINTR)
			;
		pause = pause * 2 < LAST_PAUSE ? pause * 2 : LAST_PAUSE;
	}
}

void moss_keep_door(char **argv)
{
	char byte = 1;

	prctl(PR_SET_NAME, "moss-uplink");
	signal(SIGCHLD, SIG_DFL); /* some callers ignore it, and the kernel then forgets how a child ended */
	/* the program needs neither the namespace nor itself */
	if (!drop_privileges() || fcntl(MOSS_DOOR_NETNS, F_SETFD, FD_CLOEXEC) < 0 || fcntl(MOSS_DOOR_PROGRAM, F_SETFD, FD_CLOEXEC) < 0)
		_exit(1);
	syscall(SYS_close_range, MOSS_DOOR_PROGRAM + 1, ~0U, 0);
	if (write(MOSS_DOOR_READY, &byte, 1) != 1)
		_exit(1);
	close(MOSS_DOOR_READY);
	moss_find_program();
	keep_door(argv, getpid());
}
