#include "outbox.h"

#include "assert.h"
#include "planes.h"
#include "state.h"

static void
outbox_add(struct pager *p, enum notice_kind kind, const struct space *sp)
{
	struct outbox *o = &p->outbox;

	ASSERT(o->tail - o->head < OUTBOX_SIZE);
	o->items[o->tail++ % OUTBOX_SIZE] = (struct outbox_item){
		.kind = kind,
		.group = sp->group->index,
		.space = sp->rec->id,
		.gauge = &p->gauges[sp->index],
	};
	outbox_flush(p);
}

void
outbox_space_new(struct pager *p, const struct space *sp)
{
	outbox_add(p, NOTICE_SPACE_NEW, sp);
}

void
outbox_space_gone(struct pager *p, const struct space *sp)
{
	outbox_add(p, NOTICE_SPACE_GONE, sp);
}

void
outbox_flush(struct pager *p)
{
	struct outbox *o = &p->outbox;

	while (o->head != o->tail) {
		const struct outbox_item *it = &o->items[o->head % OUTBOX_SIZE];
		struct notice *n = planes_notice(p->planes, it->kind);

		if (n == NULL)
			return;
		n->group = it->group;
		n->space = it->space;
		n->gauge = it->gauge;
		planes_notify(p->planes, n);
		o->head++;
	}
}
