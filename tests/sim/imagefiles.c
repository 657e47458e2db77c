/*
 * imagefiles.c: files that programs map, and reads of them
 */
#include "imagefiles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fds.h"
#include "host.h"
#include "kernel.h"
#include "oracle.h"
#include "pager.h"
#include "planes.h"
#include "snap.h"

#define NAMES 3u
#define FILES_MAX 512u
#define READS_MAX 64u
#define PAGES_MAX 40u

static struct simfile *files[FILES_MAX];
static uint32_t nfiles;
static struct simfile *named[NAMES];

static struct pending {
	bool used;
	int fd;
	struct simfile *file;
	uint8_t *buf;
	uint32_t len, cookie;
	uint64_t at;
} reads[READS_MAX];

struct images_counts images_counts;

/* Some of it is in other files, too, and some is zeros. */
static void
fill(struct simfile *f)
{
	sim_bytes(f->data, f->bytes);
	for (uint32_t i = 0; i < f->npages; i++)
		if (sim_one_in(8) && (i + 1) * PAGE_SIZE <= f->bytes)
			memset(f->data + i * PAGE_SIZE, (int)sim_below(3),
			    PAGE_SIZE);
}

static struct simfile *
file_new(uint32_t id)
{
	struct simfile *f = calloc(1, sizeof(*f));

	SIM_CHECK(nfiles < FILES_MAX);
	files[nfiles++] = f;
	f->id = id;
	f->number = nfiles;
	f->npages = 1 + sim_below(PAGES_MAX);
	if (sim.opt.breaks == BREAK_IMAGE_OLD)
		f->npages = PAGES_MAX;
	f->cut = f->npages;
	f->bytes = f->npages * PAGE_SIZE;
	if (sim_one_in(2) && sim.opt.breaks != BREAK_IMAGE_OLD)
		f->bytes -= sim_below(PAGE_SIZE);
	f->data = calloc(f->npages, PAGE_SIZE);
	f->bad = calloc(f->npages, sizeof(*f->bad));
	fill(f);
	f->mem = calloc(f->npages, sizeof(*f->mem));
	for (uint32_t i = 0; i < f->npages; i++)
		f->mem[i] = oracle_content(f->data + i * PAGE_SIZE);
	return f;
}

struct simfile *
images_pick(void)
{
	uint32_t i = sim_below(NAMES);

	if (named[i] == NULL || (nfiles < FILES_MAX && sim_one_in(30))) {
		images_counts.replaced += named[i] != NULL;
		named[i] = file_new(i);
	}
	return named[i];
}

/* What replaces a file may have its number and size, but was changed later. */
void
images_describe(struct simfile *f, struct mail_file *m)
{
	*m = (struct mail_file){
		.fd = fds_open(FD_FILE, f),
		.dev = 1,
		.ino = f->id,
		.size = f->bytes,
		.mtime_ns = 7,
		.ctime_ns = f->number,
		.settled = !sim_one_in(10),
	};
	if (sim.opt.breaks == BREAK_IMAGE_OLD)
		m->ctime_ns = 7;
}

const uint8_t *
images_page(const struct simfile *f, uint32_t page)
{
	static const uint8_t zeros[PAGE_SIZE];

	return page < f->npages ? f->data + page * PAGE_SIZE : zeros;
}

const struct opage *
images_memory(const struct simfile *f, uint32_t page)
{
	return page < f->npages ? f->mem[page] : NULL;
}

static bool
is_damaged(const struct simfile *f, uint32_t page)
{
	return page >= f->cut || f->bad[page] || f->hangs;
}

bool
images_may_fail(const struct proc *p, uint32_t pg)
{
	for (uint32_t i = 0; i < nfiles; i++)
		for (uint32_t n = 0; n < files[i]->npages; n++)
			if (is_damaged(files[i], n) &&
			    oracle_allows(p, pg, images_page(files[i], n)))
				return true;
	return false;
}

static int
read_file(void *ctx, int fd, void *buf, uint32_t len, uint64_t at,
    uint32_t cookie)
{
	(void)ctx;
	SIM_CHECK(len > 0 && (at + len) % PAGE_SIZE == 0);
	if (sim_one_in(50))
		return -EBUSY;
	for (uint32_t i = 0; i < READS_MAX; i++) {
		SIM_CHECK(!reads[i].used || reads[i].cookie != cookie);
		if (reads[i].used)
			continue;
		reads[i] = (struct pending){ true, fd, fds_get(fd, FD_FILE),
			buf, len, cookie, at };
		images_counts.reads++;
		images_counts.hung += reads[i].file->hangs;
		return 0;
	}
	sim_fail("more than %u reads at a time", READS_MAX);
}

/* A worker of the kernel would find another file there. */
static void
close_file(void *ctx, int fd)
{
	(void)ctx;
	SIM_CHECK(fds_kind(fd) == FD_FILE);
	for (uint32_t i = 0; i < READS_MAX; i++)
		SIM_CHECK(!reads[i].used || reads[i].fd != fd);
	fds_close(fd);
}

void
images_host(struct pager_host *h)
{
	h->read = read_file;
	h->close = close_file;
}

/* => bytes, up to a page that cannot be read; 0 behind the end */
static uint32_t
readable(const struct pending *r)
{
	const struct simfile *f = r->file;
	uint64_t end = r->at, stop = r->at + r->len;

	while (end < stop && end / PAGE_SIZE < f->cut &&
	       !f->bad[end / PAGE_SIZE])
		end = (end / PAGE_SIZE + 1) * PAGE_SIZE;
	if (end > stop)
		end = stop;
	if (end > f->bytes)
		end = f->bytes;
	return end > r->at ? (uint32_t)(end - r->at) : 0;
}

/* Once a page was unreadable it stays so. */
static int
error(struct pending *r)
{
	uint32_t page = (uint32_t)(r->at / PAGE_SIZE);

	if (page >= r->file->cut || page >= r->file->npages) {
		images_counts.ends++;
		return 0;
	}
	images_counts.errors++;
	r->file->bad[page] = true;
	return sim_one_in(2) ? -EIO : -ENOMEM;
}

static int
result_of(struct pending *r)
{
	uint32_t n = readable(r);

	if (!sim.settling && sim_one_in(20)) {
		images_counts.again++;
		return sim_one_in(2) ? -EINTR : -EAGAIN;
	}
	if (n == 0 || (!sim.settling && sim_one_in(200)))
		return error(r);
	if (!sim.settling && sim_one_in(6)) {
		images_counts.partial++;
		n = 1 + sim_below(n);
	}
	memcpy(r->buf, r->file->data + r->at, n);
	if (sim.opt.breaks == BREAK_IMAGE_BYTE && sim_one_in(16))
		r->buf[sim_below(n)] ^= 1;
	return (int)n;
}

static void
finish(struct pending *r)
{
	int result = result_of(r);

	sim_trace("read of file %u at %u, %u bytes: %d", r->file->number,
	    (uint32_t)(r->at / PAGE_SIZE), r->len, result);
	r->used = false;
	pager_read_done(host.pager, r->cookie, result);
	host_tick();
}

bool
images_step(void)
{
	uint32_t start = sim_below(READS_MAX);

	for (uint32_t n = 0; n < READS_MAX; n++) {
		struct pending *r = &reads[(start + n) % READS_MAX];

		if (!r->used || (r->file->hangs && !host.stopped))
			continue;
		finish(r);
		return true;
	}
	return false;
}

bool
images_damage(void)
{
	struct simfile *f = named[sim_below(NAMES)];

	if (f == NULL || !sim_one_in(200))
		return false;
	if (f->cut > 0)
		f->cut -= 1 + sim_below(f->cut < 8 ? f->cut : 8);
	images_counts.cuts++;
	sim_trace("file %u has %u pages left", f->number, f->cut);
	return true;
}

void
images_hang(void)
{
	for (uint32_t i = 0; i < NAMES; i++) {
		if (named[i] == NULL || !sim_one_in(3))
			continue;
		named[i]->hangs = true;
		sim_trace("file %u hangs", named[i]->number);
	}
}

void
images_reset(void)
{
	for (uint32_t i = 0; i < READS_MAX; i++)
		SIM_CHECK(!reads[i].used);
	while (nfiles > 0) {
		struct simfile *f = files[--nfiles];

		free(f->data);
		oracle_forget(f->mem, f->npages);
		free(f->mem);
		free(f->bad);
		free(f);
	}
	memset(named, 0, sizeof(named));
}
