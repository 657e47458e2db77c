/*
 * cmd-list-regions.c: ListRegions
 *
 * Asked in slices, so that the fault plane is held up for a short time only.  A
 * region that several slices tell of is put together again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "planes.h"
#include "roster.h"
#include "tally.h"
#include "varlink.h"

#define PIECE 256

struct listing {
	struct mail_regions mail; /* first: a mail is a listing */
	json_t *list;             /* owned */
	struct region_info last;  /* not in the list yet; id 0: none */
	struct region_info regions[PIECE];
};

static void listed(struct mail *);

static void
listing_free(struct listing *l)
{
	json_decref(l->list);
	free(l);
}

static void
ask(struct listing *l, struct call *call)
{
	if (call_ask(call, &l->mail.m, listed) < 0)
		listing_free(l);
}

static json_t *
region_json(const struct region_info *i)
{
	json_t *region = json_pack("{s:I, s:I, s:I, s:s#, s:b}", "id",
	    (json_int_t)i->id, "start", (json_int_t)i->start, "end",
	    (json_int_t)i->end, "memtype", i->memtype,
	    (int)strnlen(i->memtype, sizeof(i->memtype)), "evictable",
	    (int)i->evictable);
	json_t *usage = cmd_usage_json(&i->usage);

	json_object_update(region, usage);
	json_decref(usage);
	return region;
}

static void
list_last(struct listing *l)
{
	if (l->last.id != 0)
		json_array_append_new(l->list, region_json(&l->last));
	l->last.id = 0;
}

static void
add_region(struct listing *l, const struct region_info *i)
{
	if (l->last.id == i->id && i->from > i->start) {
		l->last.end = i->end;
		tally_add(&l->last.usage, &i->usage);
		return;
	}
	list_last(l);
	l->last = *i;
}

static void
listed(struct mail *m)
{
	struct listing *l = (struct listing *)m;
	struct call *call = call_answered(m);
	size_t i;

	if (m->result == -ESRCH) {
		call_error(call, "NoSuchProcess",
		    json_pack("{s:I}", "pid",
			(json_int_t)call_int(call, "pid")));
	} else if (m->result < 0) {
		call_failed(call, "the regions cannot be listed", m->result);
	} else {
		for (i = 0; i < l->mail.n; i++)
			add_region(l, &l->regions[i]);
		if (l->mail.more) {
			ask(l, call);
			return;
		}
		list_last(l);
		call_reply(call, json_pack("{s:O}", "regions", l->list));
	}
	listing_free(l);
}

static void
list_regions(struct call *call)
{
	struct roster_space *space = cmd_space(call, "pid");
	struct listing *l;

	if (space == NULL)
		return;
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		call_failed(call, "the regions cannot be listed", -ENOMEM);
		return;
	}
	l->list = json_array();
	l->mail.m.op = MAIL_REGIONS;
	l->mail.space = space->id;
	l->mail.regions = l->regions;
	l->mail.max = PIECE;
	ask(l, call);
}

const struct cmd cmd_list_regions = {
	.interface = CMD_INTERFACE,
	.name = "ListRegions",
	.params = { { "pid", CMD_SIZE, false } },
	.run = list_regions,
};
