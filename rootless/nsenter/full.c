/*
 * How the front program becomes the full one: bin/moss has that, a whole static program, in its section .moss.full. It is
 * linked to addresses where the front has nothing, so it can be mapped beside it and entered as the kernel would have: with
 * the stack that this process began with. Executing it instead would need a file of its own, and writing one into
 * memory takes longer than most commands.
 */
#ifdef MOSS_FRONT
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nsenter.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

extern char **environ;

/* A file at an offset, in whole or not at all. */
static bool read_at(int fd, void *to, size_t size, off_t offset)
{
	ssize_t n = pread(fd, to, size, offset);

	if (n == (ssize_t)size)
		return true;
	if (n >= 0)
		errno = ENOEXEC;
	return false;
}

/* Where in this program's file the section is; 0 without. */
static off_t find_section(int fd, const char *name)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) names, section;
	char found[32];

	if (!read_at(fd, &header, sizeof header, 0) ||
	    !read_at(fd, &names, sizeof names, (off_t)(header.e_shoff + (ElfW(Off))header.e_shstrndx * sizeof names)))
		return 0;
	for (int i = 0; i < header.e_shnum; i++) {
		if (!read_at(fd, &section, sizeof section, (off_t)(header.e_shoff + (ElfW(Off))i * sizeof section)))
			return 0;
		if (!read_at(fd, found, strlen(name) + 1, (off_t)(names.sh_offset + section.sh_name)))
			continue; /* the last ones may be shorter */
		if (memcmp(found, name, strlen(name) + 1) == 0)
			return (off_t)section.sh_offset;
	}
	errno = ENOENT;
	return 0;
}

/* Maps one segment of the program that begins at an offset of the file. */
static bool map_segment(int fd, off_t at, const ElfW(Phdr) *p)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), head = p->p_vaddr & (page - 1);
	const int prot = (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) | (p->p_flags & PF_X ? PROT_EXEC : 0);
	const int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	char *start = (char *)(p->p_vaddr - head), *end = (char *)p->p_vaddr + p->p_filesz, *zero = (char *)p->p_vaddr + p->p_memsz;
	char *rest = (char *)(((size_t)end + page - 1) & ~(page - 1));

	if (mmap(start, head + p->p_filesz, prot, flags, fd, at + (off_t)(p->p_offset - head)) != start)
		return false;
	if (zero <= end)
		return true;
	memset(end, 0, (size_t)(rest - end));
	return zero <= rest || mmap(rest, (size_t)(zero - rest), prot, flags | MAP_ANONYMOUS, -1, 0) == rest;
}

/* Tells the program about itself as the kernel would (getauxval(3)). */
static void set_auxv(ElfW(auxv_t) *aux, const ElfW(Ehdr) *header, ElfW(Addr) headers)
{
	for (; aux->a_type != AT_NULL; aux++) {
		if (aux->a_type == AT_PHDR)
			aux->a_un.a_val = headers;
		else if (aux->a_type == AT_PHNUM)
			aux->a_un.a_val = header->e_phnum;
		else if (aux->a_type == AT_ENTRY)
			aux->a_un.a_val = header->e_entry;
	}
}

/* Begins to run a program with a stack as the kernel makes it. */
static void __attribute__((noreturn)) enter(char **stack, ElfW(Addr) entry)
{
#if defined(__x86_64__)
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\txor %%ebp, %%ebp\n\tjmp *%1" : : "r"(stack), "r"(entry) : "memory", "rdx");
#elif defined(__aarch64__)
	__asm__ volatile("mov sp, %0\n\tmov x0, #0\n\tbr %1" : : "r"(stack), "r"(entry) : "memory", "x0");
#else
#error "say how a program is entered on this processor"
#endif
	__builtin_unreachable();
}

/* The stack that this process began with: argc, the arguments, NULL, and then environ. */
static char **first_stack(void)
{
	char **argv = environ - 1;

	for (long argc = 0; (long)argv[-1] != argc; argc++)
		argv--;
	return argv - 1;
}

static bool map_program(int fd, off_t at, const ElfW(Ehdr) *header, const ElfW(Phdr) *segments, ElfW(Addr) *headers)
{
	for (int i = 0; i < header->e_phnum; i++) {
		const ElfW(Phdr) *p = &segments[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (!map_segment(fd, at, p))
			return false;
		if (p->p_offset <= header->e_phoff && header->e_phoff < p->p_offset + p->p_filesz)
			*headers = p->p_vaddr + (header->e_phoff - p->p_offset);
	}
	return true;
}

int moss_become_full(void)
{
	ElfW(Ehdr) header;
	ElfW(Phdr) segments[16];
	ElfW(Addr) headers = 0;
	char **aux;
	bool mapped = false;
	off_t at;
	int err, fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	errno = 0;
	at = find_section(fd, ".moss.full");
	if (at > 0 && read_at(fd, &header, sizeof header, at) && header.e_phnum <= sizeof segments / sizeof *segments &&
	    read_at(fd, segments, header.e_phnum * sizeof *segments, at + (off_t)header.e_phoff))
		mapped = map_program(fd, at, &header, segments, &headers);
	err = errno ? errno : ENOEXEC;
	close(fd);
	if (!mapped)
		return err;
	for (aux = environ; *aux; aux++)
		;
	set_auxv((ElfW(auxv_t) *)(aux + 1), &header, headers);
	enter(first_stack(), header.e_entry);
}
#endif
