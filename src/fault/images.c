#include "images.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "assert.h"
#include "client.h"
#include "object.h"

#define BUFFER_BYTES (IMAGE_READ_PAGES * PAGE_BYTES)
#define STAY_US 20000u       /* for those who want it */
#define STALE_US 100000u     /* then the file may say something else */
#define PATIENCE_US 5000000u /* at a stop */
#define TRIES 16u            /* of a read that is interrupted */

int
images_open(struct pager *p)
{
	void *buf = mmap(NULL, IMAGE_READS * (size_t)BUFFER_BYTES,
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);

	if (buf == MAP_FAILED)
		return -ENOMEM;
	p->reads.buffers = buf;
	return 0;
}

void
images_close(struct pager *p)
{
	struct images *im = &p->reads;

	for (uint32_t i = 0; i < IMAGE_READS; i++)
		if (im->read[i].state == READ_BUSY)
			return;
	if (im->buffers != NULL)
		(void)munmap(im->buffers, IMAGE_READS * (size_t)BUFFER_BYTES);
}

static struct image *
image_of(struct pager *p, const struct object *o)
{
	struct image *image = &p->images[o->index];

	ASSERT(image->file.fd > 0);
	return image;
}

static uint64_t
pages_of(const struct mail_file *file)
{
	return file->size / PAGE_BYTES + (file->size % PAGE_BYTES != 0);
}

/* A file that was changed is another one: its times and size tell. */
static bool
is_same(const struct mail_file *a, const struct mail_file *b)
{
	return a->settled && b->settled && a->dev == b->dev &&
	       a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static struct object *
find_object(struct pager *p, uint32_t uid, const struct mail_file *file)
{
	for (uint32_t i = 1; i < table_high(&p->vm.objects); i++) {
		struct object *o = &p->vm.object_index[i];

		if (o->rec != NULL && p->images[i].file.fd > 0 &&
		    o->rec->uid == uid && is_same(&p->images[i].file, file))
			return o;
	}
	return NULL;
}

int
images_object(struct pager *p, struct client *c, struct mail_file *file,
    struct object **o, bool *made)
{
	const struct object_spec spec = { .memtype = MEMTYPE_IMAGE,
		.source = SOURCE_IMAGE,
		.uid = c->space->rec->uid,
		.npages = pages_of(file),
		.source_id = p->reads.number + 1 };
	int rc;

	*made = false;
	*o = find_object(p, spec.uid, file);
	if (*o != NULL) {
		/* Its group may have ended without it. */
		object_charge(*o, c->space->group);
		return 0;
	}
	rc = object_new(&p->vm, c->space->group, &spec, o);
	if (rc < 0)
		return rc;
	p->reads.number++;
	p->images[(*o)->index] = (struct image){ .file = *file };
	file->fd = -1;
	*made = true;
	return 0;
}

/* => a worker of the kernel may yet look the descriptor up */
static bool
in_use(const struct images *im, int fd)
{
	for (uint32_t i = 0; i < IMAGE_READS; i++)
		if (im->read[i].state == READ_BUSY && im->read[i].fd == fd)
			return true;
	return false;
}

static void
close_unused(struct pager *p, int fd)
{
	if (!in_use(&p->reads, fd))
		p->host.close(p->host.ctx, fd);
}

void
images_gone(struct pager *p, uint32_t object)
{
	struct image *image = &p->images[object];

	if (image->file.fd <= 0)
		return;
	for (uint32_t i = 0; i < IMAGE_READS; i++) {
		struct image_read *r = &p->reads.read[i];

		if (r->state == READ_FREE || r->object != object)
			continue;
		r->object = 0;
		if (r->state == READ_DONE)
			r->state = READ_FREE;
	}
	close_unused(p, image->file.fd);
	*image = (struct image){ 0 };
}

static uint8_t *
buffer_of(struct pager *p, const struct image_read *r)
{
	return p->reads.buffers + (size_t)(r - p->reads.read) * BUFFER_BYTES;
}

/* => bytes that the file has of what is to be read */
static uint32_t
bytes_wanted(const struct image *image, const struct image_read *r)
{
	uint64_t at = r->first * PAGE_BYTES, n = r->npages * PAGE_BYTES;

	ASSERT(at < image->file.size);
	return (uint32_t)(image->file.size - at < n ? image->file.size - at
						    : n);
}

static int
submit(struct pager *p, struct image_read *r)
{
	return p->host.read(p->host.ctx, r->fd, buffer_of(p, r) + r->got,
	    (uint32_t)(r->npages * PAGE_BYTES) - r->got,
	    r->first * PAGE_BYTES + r->got, (uint32_t)(r - p->reads.read));
}

static bool
is_idle(const struct pager *p, const struct image_read *r)
{
	uint64_t age = now_us(p) - r->done_us;

	return r->state == READ_FREE ||
	       (r->state == READ_DONE && (r->wanted == 0 || age >= STAY_US));
}

/* => one whose buffer may be used; NULL: the user has to wait for others */
static struct image_read *
find_idle(struct pager *p, uint32_t uid)
{
	struct image_read *found = NULL;
	uint32_t busy = 0;

	for (uint32_t i = 0; i < IMAGE_READS; i++) {
		struct image_read *r = &p->reads.read[i];

		busy += r->state == READ_BUSY && r->uid == uid;
		if (is_idle(p, r) &&
		    (found == NULL || r->done_us < found->done_us))
			found = r;
	}
	return busy < IMAGE_READS_OF_USER ? found : NULL;
}

/* => pages from this one on, before one that is being read already */
static uint32_t
unread(const struct pager *p, const struct object *o, uint64_t page,
    uint32_t want)
{
	uint64_t end =
	    page + (want < IMAGE_READ_PAGES ? want : IMAGE_READ_PAGES);

	if (end > o->rec->npages)
		end = o->rec->npages;
	for (uint32_t i = 0; i < IMAGE_READS; i++) {
		const struct image_read *r = &p->reads.read[i];

		if (r->state == READ_BUSY && r->object == o->index &&
		    r->first > page && r->first < end)
			end = r->first;
	}
	return (uint32_t)(end - page);
}

/* Reads of other files have all the buffers that there are for this one. */
static void
starve(const struct pager *p, struct image *image)
{
	if (image->reads == 0 && !image->starves)
		image->progress_us = now_us(p);
	image->starves = true;
}

static int
begin(struct pager *p, const struct object *o, uint64_t page, uint32_t want)
{
	struct image *image = image_of(p, o);
	struct image_read *r;

	if (image->reads >= IMAGE_READS_OF_FILE)
		return LOAD_WAIT;
	r = find_idle(p, o->rec->uid);
	if (r == NULL) {
		starve(p, image);
		return LOAD_WAIT;
	}
	*r = (struct image_read){ .object = o->index,
		.uid = o->rec->uid,
		.fd = image->file.fd,
		.first = page,
		.npages = unread(p, o, page, want),
		.wanted = 1 };
	if (submit(p, r) < 0)
		return LOAD_WAIT;
	r->state = READ_BUSY;
	image->starves = false;
	if (image->reads++ == 0)
		image->progress_us = now_us(p);
	count(p, C_image_reads, 1);
	return LOAD_WAIT;
}

static uint32_t
pages_got(const struct image_read *r)
{
	return (r->got + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* => does it say what the page is, or will it? */
static bool
covers(const struct pager *p, const struct image_read *r, uint32_t object,
    uint64_t page)
{
	uint32_t n = r->npages;

	if (r->state == READ_FREE || r->object != object || page < r->first)
		return false;
	if (r->state == READ_DONE) {
		if (now_us(p) - r->done_us >= STALE_US)
			return false;
		n = pages_got(r) + r->failed;
	}
	return page - r->first < n;
}

static struct image_read *
find_read(struct pager *p, uint32_t object, uint64_t page)
{
	struct image_read *found = NULL;

	for (uint32_t i = 0; i < IMAGE_READS; i++) {
		struct image_read *r = &p->reads.read[i];

		if (!covers(p, r, object, page))
			continue;
		if (r->state == READ_DONE)
			return r;
		found = r;
	}
	return found;
}

int
images_read(struct pager *p, const struct object *o, uint64_t page,
    uint32_t want, void *buf)
{
	struct image_read *r = find_read(p, o->index, page);
	uint32_t i;

	if (p->stop != NULL && image_of(p, o)->given_up)
		return -EIO;
	if (r == NULL)
		return want > 0 ? begin(p, o, page, want) : LOAD_WAIT;
	i = (uint32_t)(page - r->first);
	if (r->state == READ_BUSY) {
		if (want > 0)
			r->wanted |= 1u << i;
		return LOAD_WAIT;
	}
	r->wanted &= ~(1u << i);
	if (i >= pages_got(r))
		return -EIO;
	memcpy(buf, buffer_of(p, r) + i * PAGE_BYTES, PAGE_BYTES);
	return 0;
}

/* => is there more to be read, or to be tried again? */
static bool
add_result(const struct image *image, struct image_read *r, int result)
{
	uint32_t want = bytes_wanted(image, r);

	if (result > 0)
		r->got += (uint32_t)result;
	if (r->got >= want) {
		r->got = want;
		return false;
	}
	if (result > 0)
		return true;
	r->failed = result != -EINTR && result != -EAGAIN;
	return !r->failed && ++r->tries < TRIES;
}

static void
finish(struct pager *p, struct image *image, struct image_read *r)
{
	uint32_t got;

	/* Of the last page only what all of the file has will do. */
	if (r->got < bytes_wanted(image, r))
		r->got = r->got / PAGE_BYTES * PAGE_BYTES;
	got = pages_got(r);

	r->state = READ_DONE;
	r->done_us = now_us(p);
	/* Behind a page that cannot be read, another may. */
	r->wanted &= (UINT32_C(2) << got) - 1;
	memset(buffer_of(p, r) + r->got, 0, got * PAGE_BYTES - r->got);
	image->reads--;
	image->progress_us = r->done_us;
	count(p, C_image_pages, got);
	count(p, C_image_errors, r->failed);
	clients_ask_again(p);
}

void
images_read_done(struct pager *p, uint32_t read, int result)
{
	struct image_read *r = &p->reads.read[read];
	struct image *image = &p->images[r->object];

	ASSERT(read < IMAGE_READS && r->state == READ_BUSY);
	if (r->object == 0) {
		r->state = READ_FREE;
		close_unused(p, r->fd);
		return;
	}
	if (!add_result(image, r, result) || submit(p, r) < 0)
		finish(p, image, r);
}

void
images_give_up(struct pager *p)
{
	for (uint32_t i = 1; i < table_high(&p->vm.objects); i++) {
		struct image *image = &p->images[i];

		if ((image->reads > 0 || image->starves) &&
		    now_us(p) - image->progress_us >= PATIENCE_US)
			image->given_up = true;
	}
}
