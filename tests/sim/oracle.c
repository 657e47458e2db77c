/*
 * oracle.c: what every page of every process must read
 */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

#include "imagefiles.h"
#include "kernel.h"
#include "snap.h"
#include "task.h"

struct bytes { /* shared by the copies that fork makes */
	uint32_t refs;
	uint8_t data[PAGE_SIZE];
};

struct content {
	struct bytes *b;
	bool fresh; /* zero, or made of it, since a removal began */
};

struct opage { /* NULL stands for a page that was never written: zero */
	uint64_t id;
	bool lazy;
	uint32_t n;
	struct content *may; /* all different */
};

static const uint8_t zeros[PAGE_SIZE];
static uint64_t next_id;
uint64_t oracle_reads, oracle_choices;

static struct bytes *
bytes_new(const uint8_t *data)
{
	struct bytes *b = malloc(sizeof(*b));

	b->refs = 1;
	memcpy(b->data, data, PAGE_SIZE);
	return b;
}

static void
bytes_put(struct bytes *b)
{
	if (--b->refs == 0)
		free(b);
}

static void
add_content(struct opage *o, struct bytes *b, bool fresh)
{
	for (uint32_t i = 0; i < o->n; i++) {
		if (memcmp(o->may[i].b->data, b->data, PAGE_SIZE) == 0) {
			o->may[i].fresh |= fresh;
			bytes_put(b);
			return;
		}
	}
	o->may = realloc(o->may, (o->n + 1) * sizeof(*o->may));
	o->may[o->n++] = (struct content){ b, fresh };
}

static struct opage *
opage_new(void)
{
	struct opage *o = calloc(1, sizeof(*o));

	o->id = ++next_id;
	add_content(o, bytes_new(zeros), false);
	return o;
}

static void
opage_free(struct opage *o)
{
	if (o == NULL)
		return;
	for (uint32_t i = 0; i < o->n; i++)
		bytes_put(o->may[i].b);
	free(o->may);
	free(o);
}

/* The process's own, or that of all who share it. */
static struct opage **
page_at(const struct proc *p, uint32_t pg)
{
	return p->share[pg] != NULL ? p->share[pg] : &p->mem[pg];
}

/* What is shared stays, whoever throws it away. */
static bool
removing(const struct proc *p, uint32_t pg)
{
	return p->share[pg] == NULL && task_removing(p, pg);
}

/*
 * => what a page is once it was thrown away: the snapshot's, the file's, or
 *    zero (NULL)
 */
static const struct opage *
base_of(const struct proc *p, uint32_t pg)
{
	const struct vma *v = vma_find(p, pg);

	if (v != NULL && v->clone_of != NULL)
		return snap_memory(v->clone_of)[pg];
	if (v != NULL && v->image != NULL)
		return images_memory(v->image, vma_file_page(v, pg));
	return NULL;
}

static bool
has_content(const struct opage *o, const uint8_t *data)
{
	for (uint32_t i = 0; o != NULL && i < o->n; i++) {
		if (memcmp(o->may[i].b->data, data, PAGE_SIZE) == 0)
			return true;
	}
	return (o == NULL || o->lazy) && memcmp(data, zeros, PAGE_SIZE) == 0;
}

/* => what base has can be there, too */
static void
add_base(struct opage *o, const struct opage *base, bool fresh)
{
	for (uint32_t i = 0; base != NULL && i < base->n; i++) {
		base->may[i].b->refs++;
		add_content(o, base->may[i].b, fresh);
	}
	if (base == NULL || base->lazy)
		add_content(o, bytes_new(zeros), fresh);
}

/* Thrown away at this moment: the base may be seen already, or not yet. */
static bool
may_be_base(const struct proc *p, uint32_t pg, const uint8_t *data)
{
	return removing(p, pg) && has_content(base_of(p, pg), data);
}

bool
oracle_allows(const struct proc *p, uint32_t pg, const uint8_t *data)
{
	return has_content(*page_at(p, pg), data) || may_be_base(p, pg, data);
}

static uint32_t
first_difference(const uint8_t *a, const uint8_t *b)
{
	uint32_t i = 0;

	while (i < PAGE_SIZE && a[i] == b[i])
		i++;
	return i;
}

void
oracle_describe(const struct proc *p, uint32_t pg, const uint8_t *data)
{
	const struct opage *o = *page_at(p, pg);

	sim_trace("page %u of %u: got %02x%02x%02x%02x, %u contents%s%s%s", pg,
	    p->pid, data[0], data[1], data[2], data[3], o == NULL ? 0 : o->n,
	    o != NULL && o->lazy ? ", lazy" : "",
	    removing(p, pg) ? ", going" : "",
	    has_content(base_of(p, pg), data) ? ", as it was cloned" : "");
	for (uint32_t i = 0; o != NULL && i < o->n; i++) {
		const uint8_t *m = o->may[i].b->data;

		sim_trace("  may be %02x%02x%02x%02x, differs at %u%s", m[0],
		    m[1], m[2], m[3], first_difference(m, data),
		    memcmp(data, zeros, PAGE_SIZE) == 0 ? " (got zeros)" : "");
	}
}

/* The program saw this: what else could have been is not any more. */
static void
narrow(struct opage *o, const uint8_t *data, bool fresh)
{
	if (o->n > 1 || memcmp(o->may[0].b->data, data, PAGE_SIZE) != 0)
		oracle_choices++;
	for (uint32_t i = 0; i < o->n; i++) {
		if (memcmp(o->may[i].b->data, data, PAGE_SIZE) == 0)
			fresh |= o->may[i].fresh;
		bytes_put(o->may[i].b);
	}
	o->n = 0;
	add_content(o, bytes_new(data), fresh);
}

void
oracle_read(struct proc *p, uint32_t pg, const uint8_t *data)
{
	oracle_reads++;
	if (!oracle_allows(p, pg, data)) {
		oracle_describe(p, pg, data);
		sim_fail("process %u reads wrong bytes in page %u", p->pid, pg);
	}
	if (*page_at(p, pg) != NULL)
		narrow(*page_at(p, pg), data, may_be_base(p, pg, data));
}

/* => a write must not show in the copies of others */
static uint8_t *
content_own(struct opage *o, uint32_t i)
{
	struct bytes *b = o->may[i].b;

	if (b->refs > 1) {
		o->may[i].b = bytes_new(b->data);
		bytes_put(b);
	}
	return o->may[i].b->data;
}

/* After a write some contents may have become the same. */
static void
unite(struct opage *o)
{
	struct content *old = o->may;
	uint32_t n = o->n;

	o->may = NULL;
	o->n = 0;
	for (uint32_t i = 0; i < n; i++)
		add_content(o, old[i].b, old[i].fresh);
	free(old);
}

void
oracle_write(struct proc *p, uint32_t pg, uint32_t off, const void *src,
    size_t len)
{
	struct opage **at = page_at(p, pg), *o = *at;

	if (o == NULL)
		o = *at = opage_new();
	if (o->lazy)
		add_content(o, bytes_new(zeros), false);
	if (removing(p, pg))
		add_base(o, base_of(p, pg), true);
	o->lazy = false;
	for (uint32_t i = 0; i < o->n; i++)
		memcpy(content_own(o, i) + off, src, len);
	if (o->n > 1)
		unite(o);
}

void
oracle_zero(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++) {
		opage_free(p->mem[pg]);
		p->mem[pg] = NULL;
		p->share[pg] = NULL;
	}
}

struct opage *
oracle_content(const uint8_t *data)
{
	struct opage *o = calloc(1, sizeof(*o));

	o->id = ++next_id;
	add_content(o, bytes_new(data), false);
	return o;
}

void
oracle_forget(struct opage **mem, uint32_t npages)
{
	for (uint32_t i = 0; i < npages; i++) {
		opage_free(mem[i]);
		mem[i] = NULL;
	}
}

void
oracle_share(struct proc *p, uint32_t pg, struct opage **mem)
{
	SIM_CHECK(p->mem[pg] == NULL && p->share[pg] == NULL);
	p->share[pg] = mem;
}

static void
drop_page(struct opage **at, const struct opage *base)
{
	struct opage *o = *at;
	uint32_t n = o->n;

	o->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (o->may[i].fresh)
			o->may[o->n++].b = o->may[i].b;
		else
			bytes_put(o->may[i].b);
	}
	if (o->n == 0 && base == NULL) {
		opage_free(o);
		*at = NULL;
		return;
	}
	for (uint32_t i = 0; i < o->n; i++)
		o->may[i].fresh = false;
	o->lazy = false;
	add_base(o, base, false);
	o->id = ++next_id;
}

void
oracle_drop(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++) {
		if (p->mem[pg] != NULL)
			drop_page(&p->mem[pg], base_of(p, pg));
	}
}

void
oracle_free(struct proc *p, uint32_t start, uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++) {
		if (p->mem[pg] != NULL && base_of(p, pg) != NULL)
			add_base(p->mem[pg], base_of(p, pg), false);
		else if (p->mem[pg] != NULL)
			p->mem[pg]->lazy = true;
	}
}

void
oracle_unmark(struct proc *p, uint32_t pg)
{
	if (p->mem[pg] != NULL)
		p->mem[pg]->lazy = true;
}

void
oracle_move(struct proc *p, uint32_t from, uint32_t to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct opage *o = p->mem[from + i];

		SIM_CHECK(p->mem[to + i] == NULL && p->share[to + i] == NULL);
		p->share[to + i] = p->share[from + i];
		p->share[from + i] = NULL;
		if (o != NULL && task_removing(p, from + i))
			o->lazy = true;
		p->mem[to + i] = o;
		p->mem[from + i] = NULL;
	}
}

static struct opage *
opage_copy(const struct opage *o)
{
	struct opage *c = calloc(1, sizeof(*c));

	c->id = ++next_id;
	c->lazy = o->lazy;
	c->n = o->n;
	c->may = calloc(o->n, sizeof(*c->may));
	for (uint32_t i = 0; i < o->n; i++) {
		c->may[i] = o->may[i];
		c->may[i].fresh = false;
		c->may[i].b->refs++;
	}
	return c;
}

void
oracle_fork(const struct proc *p, struct proc *child, uint32_t start,
    uint32_t end)
{
	for (uint32_t pg = start; pg < end; pg++) {
		child->share[pg] = p->share[pg];
		if (p->mem[pg] == NULL)
			continue;
		child->mem[pg] = opage_copy(p->mem[pg]);
		if (task_removing(p, pg))
			add_base(child->mem[pg], base_of(p, pg), false);
	}
}

struct opage **
oracle_keep(const struct proc *p)
{
	struct opage **mem = calloc(SIM_PAGES, sizeof(*mem));

	for (uint32_t pg = 0; pg < SIM_PAGES; pg++)
		if (p->mem[pg] != NULL)
			mem[pg] = opage_copy(p->mem[pg]);
	return mem;
}

void
oracle_clone(struct proc *p, uint32_t start, uint32_t end, struct opage **mem)
{
	for (uint32_t pg = start; pg < end; pg++) {
		SIM_CHECK(p->mem[pg] == NULL && p->share[pg] == NULL);
		if (mem[pg] != NULL)
			p->mem[pg] = opage_copy(mem[pg]);
	}
}

uint64_t
oracle_page_id(const struct proc *p, uint32_t pg)
{
	return p->mem[pg] == NULL ? 0 : p->mem[pg]->id;
}

uint32_t
oracle_page_find(const struct proc *p, uint64_t id)
{
	uint32_t pg = 0;

	while (pg < SIM_PAGES && (p->mem[pg] == NULL || p->mem[pg]->id != id))
		pg++;
	return pg;
}

bool
oracle_any(const struct proc *p, uint32_t pg, bool (*pred)(const uint8_t *data))
{
	const struct opage *o = *page_at(p, pg);

	for (uint32_t i = 0; o != NULL && i < o->n; i++) {
		if (pred(o->may[i].b->data))
			return true;
	}
	return false;
}
