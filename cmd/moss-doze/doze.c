/*
 * What a monitor is while its container wants nothing of it: one page of code, and a stack. It waits for what the monitor watches, and for
 * signals, and becomes the monitor again. It is linked with nothing, not even libc. See libpod/monitor/doze.
 */
#include <asm/signal.h>
#include <linux/errno.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/signalfd.h>
#include <linux/time_types.h>

#include "../../rootless/nsenter/lean.h"

/* What its environment begins with, as NAME=VALUE. */
enum {
	PROGRAM, /* the path of the monitor */
	WATCH,   /* an epoll */
	SIGNALS, /* a signalfd, which does not wait */
	TOLD,    /* whether SIGTERM came, for the monitor: 0 or 1 */
};

static char *value(char *variable)
{
	while (*variable++ != '=')
		;
	return variable;
}

static int number(const char *digits)
{
	int n = 0;

	while (*digits)
		n = n * 10 + *digits++ - '0';
	return n;
}

/* Takes the signals that came, most of which a monitor ignores, and says whether one is for it. */
static int signalled(int fd, char *told)
{
	struct signalfd_siginfo info;
	int wake = 0;

	while (direct(SYS_read, fd, (long)&info, sizeof info, 0) == sizeof info) {
		if (info.ssi_signo == SIGTERM)
			*told = '1';
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGCHLD)
			wake = 1;
	}
	return wake;
}

__attribute__((used)) void doze(long *stack)
{
	char name[] = "moss-monitor", **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
	struct pollfd ready[] = {
		{.fd = number(value(envp[WATCH])), .events = POLLIN},
		{.fd = number(value(envp[SIGNALS])), .events = POLLIN},
	};
	unsigned long none = 0;

	direct(SYS_prctl, PR_SET_NAME, (long)name, 0, 0);
	do {
		ready[0].revents = 0;
		direct(SYS_ppoll, (long)ready, 2, 0, 0);
	} while (!signalled(ready[1].fd, value(envp[TOLD])) && !ready[0].revents);
	direct(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
	/* when there is no memory for it there will be some again, and the container goes on meanwhile */
	for (;;) {
		struct __kernel_timespec pause = {.tv_sec = 1};

		direct(SYS_execve, (long)value(envp[PROGRAM]), (long)argv, (long)envp, 0);
		direct(SYS_nanosleep, (long)&pause, 0, 0, 0);
	}
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call doze\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x0, sp\n bl doze\n");
#endif
