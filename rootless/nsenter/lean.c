/* Which pages are the program's: see lean.h. */
#define _GNU_SOURCE
#include <link.h>
#include <unistd.h>

#include "lean.h"

struct moss_pages moss_program[9];

static int find_program(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned n = 0;

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum && n < sizeof moss_program / sizeof *moss_program - 1; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		size_t start = (info->dlpi_addr + p->p_vaddr) & ~(page - 1), end = info->dlpi_addr + p->p_vaddr + p->p_filesz;

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_flags & PF_W)
			end &= ~(page - 1); /* the rest of that page is no file's */
		moss_program[n].start = (long)start;
		moss_program[n++].length = (long)(end - start);
	}
	return 1;
}

void moss_find_program(void)
{
	dl_iterate_phdr(find_program, NULL);
}
