#include "group.h"

#include "assert.h"
#include "vm.h"

int
group_new(struct vm *vm, const struct group_record *rec, struct group **out)
{
	struct group *g;
	uint32_t i;
	int r;

	r = table_alloc(&vm->groups, &i);
	if (r < 0)
		return r;
	g = &vm->group_index[i];
	*g = (struct group){ .index = i, .rec = table_at(&vm->groups, i) };
	*g->rec = *rec;
	g->rec->in_use = 1;
	TAILQ_INIT(&g->spaces);
	TAILQ_INIT(&g->objects);
	group_set_limit(g, rec->limit_bytes);
	*out = g;
	return 0;
}

void
group_free(struct vm *vm, struct group *g)
{
	struct object *o;

	ASSERT(g->nspaces == 0);
	while ((o = TAILQ_FIRST(&g->objects)) != NULL)
		object_discharge(o);
	ASSERT(g->counts.resident == 0 && g->counts.out == 0);
	table_free(&vm->groups, g->index);
	g->rec = NULL;
}

struct group *
group_get(struct vm *vm, uint32_t index)
{
	struct group *g;

	if (index == 0 || index >= vm->groups.capacity)
		return NULL;
	g = &vm->group_index[index];
	return g->rec != NULL ? g : NULL;
}

void
group_set_limit(struct group *g, uint64_t limit_bytes)
{
	g->rec->limit_bytes = limit_bytes;
	g->marks = limit_bytes != 0 ? watermarks_of(limit_bytes)
				    : (struct watermarks){ .adopt = UINT64_MAX,
					      .low = UINT64_MAX,
					      .high = UINT64_MAX,
					      .limit = UINT64_MAX,
					      .rescan = UINT64_MAX };
}
