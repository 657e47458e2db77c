/*
 * made.c: regions that are made all or none
 */
#include <errno.h>
#include <stdlib.h>

#include "lib.h"

int
made_room(struct made *m)
{
	const size_t room = m->room == 0 ? 16 : m->room * 2;
	struct made_range *ranges;

	if (m->n < m->room)
		return (0);
	ranges = reallocarray(m->ranges, room, sizeof(*ranges));
	if (ranges == NULL)
		return (-ENOMEM);
	m->ranges = ranges;
	m->room = room;
	return (0);
}

void
made_add(struct made *m, uint64_t addr, uint64_t len)
{
	m->ranges[m->n++] = (struct made_range){ addr, len };
}

int
made_end(struct made *m, int rc)
{
	const struct made_range *r;

	while (rc != 0 && m->n > 0) {
		r = &m->ranges[--m->n];
		arena_reserve(r->addr, r->len);
		region_forget(m->p, r->addr, r->len);
	}
	free(m->ranges);
	return (rc);
}
