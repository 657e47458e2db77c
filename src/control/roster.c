/*
 * roster.c: the groups and spaces that the control plane knows
 */
#include "roster.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"

static int
space_compare(const struct roster_space *a, const struct roster_space *b)
{
	return a->id < b->id ? -1 : a->id > b->id;
}

RB_PROTOTYPE(roster_tree, roster_space, node, space_compare)
RB_GENERATE(roster_tree, roster_space, node, space_compare)

void
roster_init(struct roster *r)
{
	memset(r, 0, sizeof(*r));
	TAILQ_INIT(&r->groups);
	RB_INIT(&r->spaces);
}

struct roster_group *
roster_group_by_id(struct roster *r, uint32_t id)
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &r->groups, entry) {
		if (g->state != ROSTER_NEW && g->id == id)
			return g;
	}
	return NULL;
}

struct roster_group *
roster_group_by_name(struct roster *r, const char *name)
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &r->groups, entry) {
		if (strcmp(g->name, name) == 0)
			return g;
	}
	return NULL;
}

struct roster_group *
roster_group_by_token(struct roster *r, const uint8_t token[TOKEN_BYTES])
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &r->groups, entry) {
		if (g->state != ROSTER_NEW &&
		    memcmp(g->token, token, TOKEN_BYTES) == 0)
			return g;
	}
	return NULL;
}

struct roster_space *
roster_space_by_id(struct roster *r, uint64_t id)
{
	struct roster_space key = { .id = id };

	return RB_FIND(roster_tree, &r->spaces, &key);
}

struct roster_space *
roster_space_by_pid(struct roster *r, pid_t pid)
{
	struct roster_space *s;

	if (pid <= 0)
		return NULL;
	/* That of the program before exec may not be gone yet. */
	RB_FOREACH_REVERSE(s, roster_tree, &r->spaces)
	{
		if (s->pid == pid)
			return s;
	}
	return NULL;
}

struct roster_space *
roster_space_add(struct roster *r, struct roster_group *g, uint64_t id)
{
	struct roster_space *s;

	s = roster_space_by_id(r, id);
	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->id = id;
	s->group = g;
	s->statm = s->smaps = s->rollup = -1;
	RB_INSERT(roster_tree, &r->spaces, s);
	TAILQ_INSERT_TAIL(&g->spaces, s, entry);
	g->nspaces++;
	r->nspaces++;
	return s;
}

void
roster_space_remove(struct roster *r, struct roster_space *s)
{
	RB_REMOVE(roster_tree, &r->spaces, s);
	TAILQ_REMOVE(&s->group->spaces, s, entry);
	s->group->nspaces--;
	r->nspaces--;
	alarm_fini(&s->alarm);
	if (s->statm >= 0)
		close(s->statm);
	if (s->smaps >= 0)
		close(s->smaps);
	if (s->rollup >= 0)
		close(s->rollup);
	free(s);
}

void
roster_group_add(struct roster *r, struct roster_group *g)
{
	TAILQ_INIT(&g->spaces);
	TAILQ_INSERT_TAIL(&r->groups, g, entry);
	r->ngroups++;
}

void
roster_group_remove(struct roster *r, struct roster_group *g)
{
	ASSERT(g->nspaces == 0);
	TAILQ_REMOVE(&r->groups, g, entry);
	r->ngroups--;
}
