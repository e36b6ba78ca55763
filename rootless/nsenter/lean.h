#ifndef MOSS_LEAN_H
#define MOSS_LEAN_H

/*
 * How a large program that does little, for days, lets go of all of itself but of one function and its stack. What libc has written
 * into its data is lost by that, so no function of libc may be called any more, and no constant used that the linker left to be relocated.
 */

#include <sys/mman.h>
#include <sys/syscall.h>

/* The pages of the file that this program is; zero after the last. */
struct moss_pages {
	long start, length;
};
extern struct moss_pages moss_program[9];

/* Finds them. */
void moss_find_program(void);

/* A system call without libc, whose functions touch pages of theirs, sixteen at a time. */
static inline __attribute__((always_inline)) long direct(long nr, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
#else
#error "say how a system call is made on this processor"
#endif
}

/* Waits in a system call, after giving those pages back: they are read again from the file when they are needed. */
static inline __attribute__((always_inline)) long wait_lean(long nr, long a, long b, long c, long d)
{
	for (struct moss_pages *p = moss_program; p->length > 0; p++)
		direct(SYS_madvise, p->start, p->length, MADV_DONTNEED, 0);
	return direct(nr, a, b, c, d);
}

#endif
