/*
 * survey.c: asking the fault plane for all groups, and all spaces
 *
 * The arrays are ours, so their size is a guess: too small, and the question
 * is asked again with twice the room.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>

#include "hub.h"
#include "roster.h"
#include "varlink.h"
#include "watch.h"

#define SPARE 16

static void ask_groups(struct survey *, size_t max);
static void ask_spaces(struct survey *, size_t max);

static void
survey_free(struct survey *s)
{
	json_decref(s->extra);
	free(s->groups);
	free(s->spaces);
	free(s);
}

static void
finish(struct survey *s)
{
	s->done(s);
	survey_free(s);
}

static void
give_up(struct survey *s, int result)
{
	call_failed(s->call, "the fault plane gave no answer", result);
	survey_free(s);
}

static void
got_spaces(struct mail *m)
{
	struct mail_spaces *a = (struct mail_spaces *)m;
	struct survey *s =
	    (struct survey *)((char *)m - offsetof(struct survey, ask_spaces));

	call_answered(m);
	s->nspaces = a->n;
	if (m->result < 0)
		give_up(s, m->result);
	else if (a->more)
		ask_spaces(s, 2 * a->max);
	else
		finish(s);
}

static void
got_groups(struct mail *m)
{
	struct mail_groups *a = (struct mail_groups *)m;
	struct survey *s =
	    (struct survey *)((char *)m - offsetof(struct survey, ask_groups));

	call_answered(m);
	s->ngroups = a->n;
	if (m->result < 0)
		give_up(s, m->result);
	else if (a->more)
		ask_groups(s, 2 * a->max);
	else if (s->spaces_too)
		ask_spaces(s, s->call->hub->roster.nspaces + SPARE);
	else
		finish(s);
}

static void
ask_groups(struct survey *s, size_t max)
{
	struct mail_groups *a = &s->ask_groups;

	free(s->groups);
	s->groups = calloc(max, sizeof(*s->groups));
	if (s->groups == NULL) {
		give_up(s, -ENOMEM);
		return;
	}
	*a = (struct mail_groups){
		.m.op = MAIL_GROUPS, .groups = s->groups, .max = max
	};
	if (call_ask(s->call, &a->m, got_groups) < 0)
		survey_free(s);
}

static void
ask_spaces(struct survey *s, size_t max)
{
	struct mail_spaces *a = &s->ask_spaces;

	free(s->spaces);
	s->spaces = calloc(max, sizeof(*s->spaces));
	if (s->spaces == NULL) {
		give_up(s, -ENOMEM);
		return;
	}
	*a = (struct mail_spaces){
		.m.op = MAIL_SPACES, .spaces = s->spaces, .max = max
	};
	if (call_ask(s->call, &a->m, got_spaces) < 0)
		survey_free(s);
}

void
survey_start(const struct survey *template)
{
	struct roster *roster = &template->call->hub->roster;
	struct roster_group *g;
	struct survey *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		json_decref(template->extra);
		call_failed(template->call, "cannot list", -ENOMEM);
		return;
	}
	*s = *template;
	TAILQ_FOREACH(g, &roster->groups, entry)
		watch_refresh(g);
	ask_groups(s, roster->ngroups + SPARE);
}

const struct group_info *
survey_group(const struct survey *s, uint32_t id)
{
	size_t i;

	for (i = 0; i < s->ngroups; i++) {
		if (s->groups[i].id == id)
			return &s->groups[i];
	}
	return NULL;
}

const struct space_info *
survey_space(const struct survey *s, uint64_t id)
{
	size_t i;

	for (i = 0; i < s->nspaces; i++) {
		if (s->spaces[i].id == id)
			return &s->spaces[i];
	}
	return NULL;
}
