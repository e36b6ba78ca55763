/*
 * The first thread that a Go program makes is the one of its runtime that looks after the others every 20 µs for as long as anything
 * happens. In a command of ten milliseconds that takes a tenth of a processor, and there is nothing to look after. It alone has timers that may be late;
 * pkg/sys, SpawnLate, has the same for programs without C. The linker puts this in the place of pthread_create (nsenter.go).
 */
#ifdef MOSS_FRONT
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/prctl.h>

#include "nsenter.h"

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	static int made; /* the second thread is made after the first, by the same one */
	int slack, err;

	if (made++ > 0)
		return __real_pthread_create(thread, attr, start, arg);
	slack = prctl(PR_GET_TIMERSLACK);
	if (slack >= 0 && slack < MOSS_LATE_TIMERS)
		prctl(PR_SET_TIMERSLACK, MOSS_LATE_TIMERS);
	err = __real_pthread_create(thread, attr, start, arg);
	if (slack > 0)
		prctl(PR_SET_TIMERSLACK, slack);
	return err;
}
#endif
