// Makes system calls under a filter, and prints what each answers: 0, or the number of the error.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void call(const char *name, long number, long a, long b, long c)
{
	long r = syscall(number, a, b, c, 0, 0);
	printf("%s %d\n", name, r < 0 ? errno : 0);
}

int main(int argc, char **argv)
{
	call("getpid", SYS_getpid, 0, 0, 0);
	call("unix-socket", SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	call("openat2-number", 437, 0, 0, 0);
	call("af_alg", SYS_socket, 38, SOCK_SEQPACKET, 0);
	call("af_vsock", SYS_socket, 40, SOCK_STREAM, 0);
	// the kernel takes the lower half
	call("af_alg-high", SYS_socket, 1L << 32 | 38, SOCK_SEQPACKET, 0);
	call("af_vsock-high", SYS_socket, 1L << 32 | 40, SOCK_STREAM, 0);
	call("af_vsock-negative", SYS_socket, -1L << 32 | 40, SOCK_STREAM, 0);
	call("unix-socket-high", SYS_socket, 1L << 32 | AF_UNIX, SOCK_STREAM, 0);
	call("netlink-socket", SYS_socket, AF_NETLINK, SOCK_RAW, 0);
	call("unknown-socket", SYS_socket, 0x70001234, SOCK_STREAM, 0);
	call("tiocsti", SYS_ioctl, -1, 0x5412, 0);
	call("tiocsti-high", SYS_ioctl, -1, 1L << 32 | 0x5412, 0);
	call("io_uring_setup", 425, 1, 0, 0);
	call("io_uring_enter", 426, 0, 0, 0);
	call("io_uring_register", 427, 0, 0, 0);
	call("userfaultfd", SYS_userfaultfd, 0, 0, 0);
	call("add_key", SYS_add_key, 0, 0, 0);
	call("request_key", SYS_request_key, 0, 0, 0);
	call("keyctl", SYS_keyctl, 0, 0, 0);
	call("open_tree", 428, -100, (long)"/", 0);
	call("move_mount", 429, -1, 0, -1);
	call("fsopen", 430, (long)"tmpfs", 0, 0);
	call("fsconfig", 431, -1, 0, 0);
	call("fsmount", 432, -1, 0, 0);
	call("fspick", 433, -100, (long)"/", 0);
	call("mount_setattr", 442, -100, 0, 0);
	call("clone3", 435, 0, 0, 0);
	call("unshare-user", SYS_unshare, 0x10000000, 0, 0);
	call("bpf", SYS_bpf, 0, 0, 0);
	call("mount", SYS_mount, 0, 0, 0);
	call("fchmodat2", 452, -100, (long)"/nonexistent", 0);
	call("newer", 600, 0, 0, 0);
	call("chown", SYS_fchownat, -100, (long)"/nonexistent", 12345);
	call("setgroups", SYS_setgroups, 1000000, 0, 0);
	fflush(stdout);
#ifdef __x86_64__
	if (argc > 1 && !strcmp(argv[1], "x32"))
		call("x32", 0x40000000 + SYS_getpid, 0, 0, 0);
	if (argc > 1 && !strcmp(argv[1], "i386")) {
		long r = 20; // getpid of i386
		__asm__ volatile("int $0x80" : "+a"(r) : : "memory");
		printf("i386 %ld\n", r < 0 ? -r : 0);
	}
#endif
	return 0;
}
