/*
 * frames.c: src/io/frames.h on the fake kernel: files in memory
 */
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fds.h"
#include "kernel.h"
#include "oracle.h"
#include "task.h"

#define FILES_MAX 4096

static struct memfile *files[FILES_MAX];
static uint32_t nfiles;
struct frames_counts frames_counts;

int __wrap_fcntl64(int fd, int cmd, ...);
int __real_fcntl64(int fd, int cmd, ...);

static struct memfile *
file_get(int fd)
{
	return fds_get(fd,
	    fds_kind(fd) == FD_FRAMES_READ ? FD_FRAMES_READ : FD_FRAMES);
}

int
frames_create(uint64_t npages)
{
	struct memfile *f = calloc(1, sizeof(*f));

	SIM_CHECK(nfiles < FILES_MAX && npages > 0 && npages <= SIM_PAGES);
	files[nfiles++] = f;
	f->id = nfiles;
	f->npages = (uint32_t)npages;
	f->frames = calloc(npages, sizeof(*f->frames));
	f->mem = calloc(npages, sizeof(*f->mem));
	frames_counts.files++;
	sim_trace("file %u has %u pages", f->id, f->npages);
	return fds_open(FD_FRAMES, f);
}

void
frames_close(int fd)
{
	(void)file_get(fd);
	fds_close(fd);
}

int
frames_readonly(int fd)
{
	return fds_open(FD_FRAMES_READ, file_get(fd));
}

int
frames_read(int fd, uint64_t page, void *buf)
{
	struct memfile *f = file_get(fd);

	SIM_CHECK(page < f->npages);
	if (f->frames[page] == NULL)
		memset(buf, 0, PAGE_SIZE);
	else
		memcpy(buf, f->frames[page]->data, PAGE_SIZE);
	/* Other processors do not stand still. */
	if (f->frames[page] != NULL && sim_one_in(4))
		task_write_shared(f, (uint32_t)page);
	return 0;
}

int
frames_write(int fd, uint64_t page, const void *buf)
{
	struct memfile *f = fds_get(fd, FD_FRAMES);

	SIM_CHECK(page < f->npages);
	if (!sim.settling && sim_one_in(400))
		return -ENOMEM;
	memcpy(memfile_page(f, (uint32_t)page)->data, buf, PAGE_SIZE);
	if (sim.opt.breaks == BREAK_FRAMES_BYTE && sim_one_in(64))
		f->frames[page]->data[sim_below(PAGE_SIZE)] ^= 1;
	frames_counts.written++;
	sim_trace("file %u: %u is written", f->id, (uint32_t)page);
	return 0;
}

int
frames_punch(int fd, uint64_t page, uint64_t npages)
{
	struct memfile *f = fds_get(fd, FD_FRAMES);

	SIM_CHECK(npages > 0 && page < f->npages && npages <= f->npages - page);
	sim_trace("file %u: %u +%u go", f->id, (uint32_t)page,
	    (uint32_t)npages);
	for (uint64_t i = page; i < page + npages; i++) {
		if (f->frames[i] == NULL)
			continue;
		memfile_punch(f, (uint32_t)i);
		frames_counts.punched++;
	}
	return 0;
}

void
frames_reset(void)
{
	while (nfiles > 0) {
		struct memfile *f = files[--nfiles];

		for (uint32_t i = 0; i < f->npages; i++)
			if (f->frames[i] != NULL)
				memfile_punch(f, i);
		oracle_forget(f->mem, f->npages);
		free(f->frames);
		free(f->mem);
		free(f);
	}
}

/* The code under test only asks for copies of descriptors. */
int
__wrap_fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (fd < FDS_FIRST)
		return __real_fcntl64(fd, cmd, arg);
	SIM_CHECK(cmd == F_DUPFD_CLOEXEC);
	return fds_open(FD_FRAMES, fds_get(fd, FD_FRAMES));
}
