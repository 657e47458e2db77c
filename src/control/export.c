#include "export.h"

#include <sys/mman.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "hub.h"
#include "procfs.h"
#include "snapshots.h"

struct export
{
	uv_work_t work;
	struct hub *hub;
	struct snapshot *s;
	int fd; /* owned */
	struct elfcore_segment *segments;
	size_t nsegments;
	struct elfcore_file *files; /* owned, also their paths */
	size_t nfiles;
	struct elfcore_stats stats;
	int result;
	export_done *done;
	void *ctx;
};

static void *
grow(void *array, size_t n, size_t size)
{
	/* By powers of two. */
	if ((n & (n - 1)) != 0)
		return array;
	return reallocarray(array, n == 0 ? 1 : 2 * n, size);
}

static int
add_file(struct export *e, const struct procfs_vma *v)
{
	struct elfcore_file *more = grow(e->files, e->nfiles, sizeof(*more));
	char *path = strdup(v->path);

	if (more != NULL)
		e->files = more;
	if (more == NULL || path == NULL) {
		free(path);
		return -ENOMEM;
	}
	e->files[e->nfiles++] = (struct elfcore_file){ .start = v->start,
		.end = v->end,
		.offset = v->offset,
		.path = path };
	return 0;
}

/*
 * What nobody can have changed is in the file; and there is nothing behind
 * reserved addresses.
 */
static bool
is_elsewhere(const struct procfs_vma *v)
{
	bool file = v->path[0] == '/';

	return v->prot == PROT_NONE || (file && v->shared) ||
	       (file && !(v->prot & PROT_WRITE) && v->prot & PROT_EXEC);
}

static int
add_vma(void *ctx, const struct procfs_vma *v)
{
	struct export *e = ctx;
	struct elfcore_segment *more;

	/* The kernel's own: no debugger wants its pages. */
	if (strncmp(v->path, "[vvar", 5) == 0 ||
	    strcmp(v->path, "[vsyscall]") == 0)
		return 0;
	more = grow(e->segments, e->nsegments, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	e->segments = more;
	e->segments[e->nsegments++] = (struct elfcore_segment){
		.start = v->start,
		.len = v->end - v->start,
		.prot = v->prot,
		.in_file = is_elsewhere(v),
	};
	return v->path[0] == '/' ? add_file(e, v) : 0;
}

/* A page of the holder that is out is brought in by this: it faults. */
static int
read_holder(void *ctx, uint64_t addr, void *buf, size_t len)
{
	const struct export *e = ctx;
	struct iovec to = { buf, len }, from = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(e->s->holder, &to, 1, &from, 1, 0);

	if (n == (ssize_t)len)
		return ELFCORE_DATA;
	if (n >= 0 || errno == EFAULT || errno == ENOMEM)
		return ELFCORE_UNREADABLE;
	return -errno;
}

static void
write_core(uv_work_t *work)
{
	struct export *e = work->data;
	const struct snapshot *s = e->s;
	struct elfcore core = {
		.process = s->process,
		.threads = s->threads,
		.nthreads = s->nthreads,
		.auxv = s->auxv,
		.auxv_len = s->auxv_len,
		.read = read_holder,
		.ctx = e,
	};

	e->result = procfs_maps(s->holder, add_vma, e);
	core.files = e->files;
	core.nfiles = e->nfiles;
	core.segments = e->segments;
	core.nsegments = e->nsegments;
	if (e->result == 0)
		e->result = elfcore_write(&core, e->fd, &e->stats);
}

static void
written(uv_work_t *work, int status)
{
	struct export *e = work->data;
	int result = status < 0 ? status : e->result;

	hub_answered(e->hub);
	/* What was read when its holder had ended is not to be trusted. */
	if (result == 0 && e->s->space == 0)
		result = -ESRCH;
	for (size_t i = 0; i < e->nfiles; i++)
		free((char *)e->files[i].path);
	free(e->files);
	free(e->segments);
	if (close(e->fd) < 0 && result == 0)
		result = -errno;
	snapshots_put(e->hub, e->s);
	e->done(e->ctx, &e->stats, result);
	hub_settle(e->hub);
	free(e);
}

void
export_start(struct hub *hub, struct snapshot *s, int fd, export_done *done,
    void *ctx)
{
	struct export *e = calloc(1, sizeof(*e));
	int r = -ENOMEM;

	if (e != NULL) {
		e->work.data = e;
		e->hub = hub;
		e->s = s;
		e->fd = fd;
		e->done = done;
		e->ctx = ctx;
		r = uv_queue_work(&hub->loop, &e->work, write_core, written);
	}
	if (r < 0) {
		close(fd);
		free(e);
		done(ctx, NULL, r);
		return;
	}
	s->exports++;
	hub->asked++;
}
