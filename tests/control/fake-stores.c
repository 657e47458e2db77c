/*
 * fake-stores.c: backends that keep nothing, and stacks of them
 *
 * A group has one page in its store, as long as the daemon runs.  Drained, a
 * tier gives what it has to the next one at once.  What is never given back is
 * counted up from 1 in the order of struct store_info.
 */
#include "fake-plane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

struct backend {
	char kind[16];
	uint64_t pages;
	bool draining;
};

int
backend_open(const char *spec, struct backend **bp, char *err, size_t errlen)
{
	int len = (int)strcspn(spec, ":");
	struct backend *b;

	if (strncmp(spec, "ram", 3) != 0 && strncmp(spec, "nbd:", 4) != 0) {
		snprintf(err, errlen, "no store is called '%.*s'", len, spec);
		return -EINVAL;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	snprintf(b->kind, sizeof(b->kind), "%.*s", len, spec);
	*bp = b;
	return 0;
}

void
backend_close(struct backend *b)
{
	free(b);
}

/* => the next one that takes something, or NULL */
static struct backend *
taker(const struct stack_spec *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->tiers[i]->draining)
			return s->tiers[i];
	}
	return NULL;
}

int
fake_put(struct plane *p, uint32_t stack)
{
	if (stack >= p->nstacks)
		return -EINVAL;
	taker(&p->stacks[stack])->pages++;
	return 0;
}

static struct store_info
info_of(uint32_t stack, uint32_t tier, const struct backend *b)
{
	struct store_info i = {
		.stack = stack,
		.tier = tier,
		.draining = b->draining,
		.failing = strcmp(b->kind, "nbd") == 0,
		.pages = b->pages,
		.same_filled = 1,
		.incompressible = 2,
		.stored_bytes = 3,
		.used_bytes = 4,
		.capacity_bytes = 5,
		.stores = 6,
		.loads = 7,
		.errors = 8,
		.demoted = 9,
		.promoted = 10,
		.reads = 11,
		.read_bytes = 12,
		.writes = 13,
		.written_bytes = 14,
		.retries = 15,
		.moved = 16,
	};

	memcpy(i.kind, b->kind, sizeof(i.kind));
	hist_add(&i.read_ns, 17);
	hist_add(&i.write_ns, 18);
	return i;
}

int
fake_list_stores(struct plane *p, struct mail_stores *m)
{
	m->n = 0;
	for (uint32_t s = 0; s < p->nstacks; s++) {
		for (uint32_t t = 0; t < p->stacks[s].n; t++, m->n++) {
			if (m->n < m->max)
				m->stores[m->n] =
				    info_of(s, t, p->stacks[s].tiers[t]);
		}
	}
	return 0;
}

int
fake_drain(struct plane *p, const struct mail_drain *m)
{
	struct backend *from, *to;

	if (m->stack >= p->nstacks || m->tier >= p->stacks[m->stack].n)
		return -ENOENT;
	from = p->stacks[m->stack].tiers[m->tier];
	from->draining = m->on;
	to = taker(&p->stacks[m->stack]);
	if (to == NULL) {
		from->draining = false;
		return -EBUSY;
	}
	if (m->on) {
		to->pages += from->pages;
		from->pages = 0;
	}
	return 0;
}
