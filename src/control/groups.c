/*
 * groups.c: making and closing groups
 *
 *	make --> NEW --(fault plane)--> OPEN --close--> CLOSING --> gone
 *	          |                      ^                |
 *	          +-> gone (refused)     +----- EBUSY ----+
 *
 * A group is on the roster from NEW on, so that its name is taken.
 */
#include "groups.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub.h"
#include "log.h"
#include "roster.h"
#include "settings.h"
#include "size.h"

struct making {
	struct mail_group_new mail; /* first: a mail is a making */
	struct hub *hub;
	struct roster_group *group;
	void (*done)(struct roster_group *, int result, void *ctx);
	void *ctx;
};

struct closing {
	struct mail_group_close mail; /* first: a mail is a closing */
	struct roster_group *group;
	void (*done)(int result, void *ctx); /* NULL: nobody waits */
	void *ctx;
};

static void
timer_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
group_free(struct roster_group *g)
{
	struct roster_space *s;

	while ((s = TAILQ_FIRST(&g->spaces)) != NULL)
		roster_space_remove(&g->hub->roster, s);
	roster_group_remove(&g->hub->roster, g);
	uv_close((uv_handle_t *)&g->timer, timer_closed);
}

static void
made(struct mail *m)
{
	struct making *k = (struct making *)m;
	struct roster_group *g = k->group;
	int result = m->result;

	hub_answered(k->hub);
	if (result < 0) {
		group_free(g);
		g = NULL;
	} else {
		g->state = ROSTER_OPEN;
		g->id = k->mail.id;
		g->gauge = k->mail.gauge;
		memcpy(g->token, k->mail.token, sizeof(g->token));
		log_debug("group %s: made for uid %u", g->name, g->uid);
	}
	k->done(g, result, k->ctx);
	if (g != NULL)
		groups_reap(g);
	hub_settle(k->hub);
	free(k);
}

static void
choose_name(struct hub *hub, char name[GROUP_NAME_MAX])
{
	do {
		snprintf(name, GROUP_NAME_MAX, "run-%" PRIu32,
		    ++hub->run_serial);
	} while (roster_group_by_name(&hub->roster, name) != NULL);
}

/* => or NULL */
static const struct catalog_store *
choose_store(const struct hub *hub, const char *name)
{
	const struct catalog *c = &hub->setup->settings->stores;

	return name != NULL ? catalog_find(c, name) : catalog_at(c, 0);
}

static struct roster_group *
group_new(struct hub *hub, const struct group_order *o)
{
	struct roster_group *g;

	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	g->hub = hub;
	g->uid = o->uid;
	g->limit_bytes = o->limit_bytes;
	g->store = choose_store(hub, o->store);
	g->ephemeral = o->ephemeral;
	g->owner = o->owner;
	if (o->name != NULL)
		snprintf(g->name, sizeof(g->name), "%s", o->name);
	else
		choose_name(hub, g->name);
	uv_timer_init(&hub->loop, &g->timer);
	g->timer.data = g;
	roster_group_add(&hub->roster, g);
	return g;
}

static int
ask_new(struct making *k)
{
	struct mail_group_new *m = &k->mail;
	int r;

	m->m.op = MAIL_GROUP_NEW;
	m->m.done = made;
	m->uid = k->group->uid;
	m->limit_bytes = k->group->limit_bytes;
	m->stack = k->group->store->number;
	memcpy(m->name, k->group->name, sizeof(m->name));
	r = token_random(m->token);
	if (r == 0)
		r = hub_ask(k->hub, &m->m);
	return r;
}

int
groups_make(struct hub *hub, const struct group_order *o)
{
	struct making *k;
	int r;

	if (o->name != NULL &&
	    roster_group_by_name(&hub->roster, o->name) != NULL)
		return -EEXIST;
	if (choose_store(hub, o->store) == NULL)
		return -ENOENT;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->hub = hub;
	k->done = o->done;
	k->ctx = o->ctx;
	k->group = group_new(hub, o);
	if (k->group == NULL) {
		free(k);
		return -ENOMEM;
	}
	r = ask_new(k);
	if (r < 0) {
		group_free(k->group);
		free(k);
	}
	return r;
}

static void
closed(struct mail *m)
{
	struct closing *k = (struct closing *)m;
	struct hub *hub = k->group->hub;
	int result = m->result;

	hub_answered(hub);
	if (result == 0) {
		log_debug("group %s: closed", k->group->name);
		group_free(k->group);
	} else {
		k->group->state = ROSTER_OPEN;
	}
	if (k->done != NULL)
		k->done(result, k->ctx);
	hub_settle(hub);
	free(k);
}

int
groups_close(struct roster_group *g, void (*done)(int result, void *ctx),
    void *ctx)
{
	struct closing *k;
	int r;

	if (g->state != ROSTER_OPEN || g->nspaces > 0)
		return -EBUSY;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->group = g;
	k->done = done;
	k->ctx = ctx;
	k->mail.m.op = MAIL_GROUP_CLOSE;
	k->mail.m.done = closed;
	k->mail.id = g->id;
	r = hub_ask(g->hub, &k->mail.m);
	if (r < 0) {
		free(k);
		return r;
	}
	g->state = ROSTER_CLOSING;
	return 0;
}

void
groups_reap(struct roster_group *g)
{
	int r;

	if (!g->ephemeral || g->owner != NULL || g->nspaces > 0 ||
	    g->state != ROSTER_OPEN)
		return;
	r = groups_close(g, NULL, NULL);
	if (r < 0 && r != -ESHUTDOWN)
		log_warning("group %s: cannot be closed: %s", g->name,
		    strerror(-r));
}

void
groups_orphan(struct hub *hub, const struct varlink *owner)
{
	struct roster_group *g;

	TAILQ_FOREACH(g, &hub->roster.groups, entry) {
		if (g->owner == owner) {
			g->owner = NULL;
			groups_reap(g);
		}
	}
}

void
groups_free_all(struct hub *hub)
{
	struct roster_group *g;

	while ((g = TAILQ_FIRST(&hub->roster.groups)) != NULL)
		group_free(g);
}
