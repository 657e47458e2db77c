/*
 * cmd-get-stats.c: GetStats
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "hub.h"
#include "latency.h"
#include "planes.h"
#include "roster.h"
#include "tally.h"
#include "varlink.h"

static const char *const names[] = {
#define COUNTER(name, unit, help) #name,
#include "counters.h"
#undef COUNTER
};

#define NCOUNTERS (sizeof(names) / sizeof(names[0]))

struct stats {
	struct mail_stats mail; /* first: a mail is a stats */
	uint64_t counters[NCOUNTERS];
};

static json_t *
counters_json(const struct stats *s)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; i < NCOUNTERS; i++)
		json_object_set_new(object, names[i],
		    json_integer((json_int_t)s->counters[i]));
	return object;
}

static json_t *
store_json(const struct stats *s)
{
	const struct mail_stats *m = &s->mail;

	return json_pack("{s:s#, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
	    m->store.name, (int)strnlen(m->store.name, sizeof(m->store.name)),
	    "pages", (json_int_t)m->store.pages, "same_filled",
	    (json_int_t)m->store.same_filled, "incompressible",
	    (json_int_t)m->store.incompressible, "saved",
	    (json_int_t)m->store.saved_pages, "stored",
	    (json_int_t)m->store.stored_bytes, "used",
	    (json_int_t)m->store.used_bytes, "capacity",
	    (json_int_t)m->store.capacity_bytes);
}

static json_t *
latencies_json(const struct mail_stats *m)
{
	json_t *object = json_object();

#define LATENCY(name, help)                                                    \
	json_object_set_new(object, #name, latency_json(&m->name));
#include "latencies.h"
#undef LATENCY
	return object;
}

static void
tallied(struct call *call, json_t *reply, const struct usage_info *usage)
{
	json_object_set_new(reply, "usage", cmd_usage_json(usage));
	call_reply(call, reply);
}

static void
counted(struct mail *m)
{
	struct stats *s = (struct stats *)m;
	struct call *call = call_answered(m);
	const struct roster *roster = &call->hub->roster;

	if (m->result < 0)
		call_failed(call, "there are no numbers", m->result);
	else
		tally_start(call, 0,
		    json_pack("{s:o, s:o, s:o, s:I, s:I, s:I}", "counters",
			counters_json(s), "latency", latencies_json(&s->mail),
			"store", store_json(s), "metadata",
			(json_int_t)s->mail.metadata_bytes, "groups",
			(json_int_t)roster->ngroups, "spaces",
			(json_int_t)roster->nspaces),
		    tallied);
	free(s);
}

static void
get_stats(struct call *call)
{
	struct stats *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		call_failed(call, "there are no numbers", -ENOMEM);
		return;
	}
	s->mail.m.op = MAIL_STATS;
	s->mail.counters = s->counters;
	s->mail.ncounters = NCOUNTERS;
	if (call_ask(call, &s->mail.m, counted) < 0)
		free(s);
}

const struct cmd cmd_get_stats = {
	.interface = CMD_INTERFACE,
	.name = "GetStats",
	.run = get_stats,
};
