/*
 * notices.c: what the fault plane reports by itself
 *
 * Some notices change the roster, the others are for the log.  A program in
 * trouble can cause thousands: of each kind LOG_BURST lines are written in
 * LOG_WINDOW_MS, and the rest counted.
 */
#include "notices.h"

#include <inttypes.h>
#include <stdio.h>

#include "groups.h"
#include "hub.h"
#include "log.h"
#include "planes.h"
#include "roster.h"
#include "settings.h"
#include "watch.h"

#define LOG_BURST 5
#define LOG_WINDOW_MS 10000

static void space_new(struct hub *, const struct notice *);
static void space_gone(struct hub *, const struct notice *);
static void space_scan(struct hub *, const struct notice *);

static const struct kind {
	void (*act)(struct hub *, const struct notice *); /* NULL: only log */
	const char *text; /* for the log; NULL: nothing to say */
	bool of_store;    /* else of a group, or a space */
} kinds[] = {
	[NOTICE_SPACE_NEW] = { space_new, NULL },
	[NOTICE_SPACE_GONE] = { space_gone, NULL },
	[NOTICE_SCAN] = { space_scan, NULL },
	[NOTICE_OVER] = { NULL,
	    "is over its limit, and nothing of it can be evicted" },
	[NOTICE_STORE_FULL] = { NULL,
	    "cannot be kept in its limit: the store is full; raise the "
	    "limit or give the store more room" },
	[NOTICE_CLIENT_DROPPED] = { NULL,
	    "was dropped: its agent broke the protocol" },
	[NOTICE_UNREADABLE] = { NULL,
	    "has lost a page: the store, or the file that it is of, could "
	    "not be read" },
	[NOTICE_STORE_FAILING] = { NULL,
	    "cannot be read, or written: it is tried again until it can, "
	    "programs wait for what is there, and what is not there stays in "
	    "memory",
	    true },
	[NOTICE_STORE_WELL] = { NULL, "can be read and written again", true },
};

#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct { /* control thread */
	uint64_t since_ms;
	unsigned int lines, suppressed;
} windows[NKINDS];

static void
space_new(struct hub *hub, const struct notice *n)
{
	struct roster_group *g = roster_group_by_id(&hub->roster, n->group);
	struct roster_space *s = NULL;

	if (g != NULL)
		s = roster_space_add(&hub->roster, g, n->space);
	if (s == NULL) {
		log_warning("space %" PRIu64 ": not watched: %s", n->space,
		    g == NULL ? "its group is unknown" : "out of memory");
		return;
	}
	s->gauge = n->gauge;
	g->forked = true;
	hub_settle(hub);
}

static void
space_gone(struct hub *hub, const struct notice *n)
{
	struct roster_space *s = roster_space_by_id(&hub->roster, n->space);
	struct roster_group *g;

	if (s == NULL)
		return;
	g = s->group;
	log_debug("group %s: pid %d left", g->name, (int)s->pid);
	watch_forget(s);
	snapshots_lose(hub, s->id);
	roster_space_remove(&hub->roster, s);
	groups_reap(g);
	hub_settle(hub);
}

static void
space_scan(struct hub *hub, const struct notice *n)
{
	struct roster_space *s = roster_space_by_id(&hub->roster, n->space);

	if (s != NULL)
		watch_scan(s);
}

/* => may a line of this kind be written now? */
static bool
admit(struct hub *hub, enum notice_kind kind)
{
	uint64_t now = uv_now(&hub->loop);

	if (windows[kind].lines == 0 ||
	    now - windows[kind].since_ms >= LOG_WINDOW_MS) {
		if (windows[kind].suppressed > 0)
			log_warning("%u more like the next line were left out",
			    windows[kind].suppressed);
		windows[kind].since_ms = now;
		windows[kind].lines = windows[kind].suppressed = 0;
	}
	if (windows[kind].lines < LOG_BURST) {
		windows[kind].lines++;
		return true;
	}
	windows[kind].suppressed++;
	return false;
}

static void
write_line(struct hub *hub, const struct notice *n)
{
	struct roster_space *s = roster_space_by_id(&hub->roster, n->space);
	struct roster_group *g = roster_group_by_id(&hub->roster, n->group);
	const char *text = kinds[n->kind].text;
	char who[64] = "", where[32] = "";

	if (g == NULL && s != NULL)
		g = s->group;
	if (s != NULL)
		snprintf(who, sizeof(who), ": pid %d", (int)s->pid);
	if (n->addr != 0)
		snprintf(where, sizeof(where), " at 0x%" PRIx64, n->addr);
	log_warning("group %s%s %s%s%s%.*s", g != NULL ? g->name : "?", who,
	    text, where, n->text[0] != '\0' ? ": " : "", (int)sizeof(n->text),
	    n->text);
}

static void
write_store_line(struct hub *hub, const struct notice *n)
{
	const struct catalog *all = &hub->setup->settings->stores;

	log_warning("store %s, tier %u: %s", catalog_at(all, n->stack)->name,
	    n->tier, kinds[n->kind].text);
}

void
notices_take(const struct notice *n, void *ctx)
{
	struct hub *hub = ctx;

	if (kinds[n->kind].act != NULL)
		kinds[n->kind].act(hub, n);
	if (kinds[n->kind].text == NULL || !admit(hub, n->kind))
		return;
	if (kinds[n->kind].of_store)
		write_store_line(hub, n);
	else
		write_line(hub, n);
}
