/*
 * cmd-stores.c: the stores, tier by tier, and what they do now
 *
 * The daemon adds things up since it began; how fast they grow takes two looks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "json.h"
#include "varlink.h"

#define INTERVAL_S 1
#define INTERVAL_MAX_S 3600

static const char *const headings[] = { "NAME", ">TIER", "KIND", ">SIZE",
	">USED", ">STORED", ">PAGES", ">READ/s", ">WRITE/s", ">READ-LATENCY",
	">ERRORS", "STATE", NULL };

struct look {
	json_t *answer; /* owned */
	struct timespec at;
};

static const char *
state_of(const json_t *tier)
{
	if (json_flag(tier, "failing"))
		return "FAILING";
	if (json_flag(tier, "draining"))
		return json_int(tier, "pages") > 0 ? "draining" : "drained";
	return "ok";
}

/* => before: NULL, there was only one look */
static void
add_rate(struct columns *c, const json_t *before, const json_t *now,
    const char *name, double seconds)
{
	double n = (double)(json_int(now, name) - json_int(before, name));

	if (before == NULL || seconds <= 0)
		columns_text(c, "-");
	else
		columns_int(c, (int64_t)(n / seconds + 0.5));
}

static void
add_latency(struct columns *c, const json_t *latency)
{
	if (json_int(latency, "count") > 0)
		columns_time(c, json_int(latency, "p99_ns"));
	else
		columns_text(c, "-");
}

static void
add_tier(struct columns *c, const json_t *before, const json_t *now,
    double seconds)
{
	columns_text(c, json_text(now, "name"));
	columns_int(c, json_int(now, "tier"));
	columns_text(c, json_text(now, "kind"));
	if (json_int(now, "capacity") == 0)
		columns_text(c, "none");
	else
		columns_size(c, json_int(now, "capacity"));
	columns_size(c, json_int(now, "used"));
	columns_size(c, json_int(now, "stored"));
	columns_int(c, json_int(now, "pages"));
	add_rate(c, before, now, "loaded_pages", seconds);
	add_rate(c, before, now, "stored_pages", seconds);
	add_latency(c, json_object_get(now, "read"));
	columns_int(c, json_int(now, "errors"));
	columns_text(c, state_of(now));
}

/* => the same tiers are in both looks, in the same order */
static void
print(const struct look *first, const struct look *last)
{
	double seconds = (double)(last->at.tv_sec - first->at.tv_sec) +
			 (double)(last->at.tv_nsec - first->at.tv_nsec) / 1e9;
	const json_t *before = json_object_get(first->answer, "stores");
	struct columns c;
	json_t *tier;
	size_t i;

	columns_init(&c, headings);
	json_array_foreach(json_object_get(last->answer, "stores"), i, tier)
	{
		add_tier(&c, json_array_get(before, i), tier, seconds);
	}
	columns_print(&c, stdout);
	columns_fini(&c);
}

/* => 0 or -errno, said */
static int
look(struct varlink *v, struct look *l)
{
	clock_gettime(CLOCK_MONOTONIC, &l->at);
	return daemon_call(v, "ListStores", NULL, VARLINK_SOON, &l->answer);
}

static int
look_twice(struct varlink *v, time_t interval)
{
	const struct timespec pause = { .tv_sec = interval };
	struct look first = { NULL }, last = { NULL };
	int r = 0;

	if (interval > 0) {
		r = look(v, &first);
		if (r == 0)
			nanosleep(&pause, NULL);
	}
	if (r == 0)
		r = look(v, &last);
	if (r == 0)
		print(&first, &last);
	json_decref(first.answer);
	json_decref(last.answer);
	return r == 0 ? CTL_OK : CTL_FAILED;
}

/* => 0 or -EINVAL, said */
static int
parse_interval(const struct ctl *ctl, time_t *seconds)
{
	const char *text = ctl->value[OPT_INTERVAL];
	unsigned long n;
	char *end;

	*seconds = INTERVAL_S;
	if (text == NULL)
		return 0;
	n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' ||
	    n > INTERVAL_MAX_S) {
		ctl_error("--interval '%s' is no time; give whole seconds, up "
			  "to %d",
		    text, INTERVAL_MAX_S);
		return -EINVAL;
	}
	*seconds = (time_t)n;
	return 0;
}

static int
print_json(const struct ctl *ctl)
{
	json_t *answer;
	int status;

	if (ctl->given[OPT_INTERVAL]) {
		ctl_error("--json has no rates, it has what they are made of; "
			  "leave out --interval");
		return CTL_FAILED;
	}
	status = daemon_ask(ctl, "ListStores", NULL, VARLINK_SOON, &answer);
	if (status == CTL_OK)
		json_print(answer);
	return status;
}

static int
stores(struct ctl *ctl)
{
	struct varlink *v;
	time_t interval;
	int status;

	if (ctl->given[OPT_JSON])
		return print_json(ctl);
	if (parse_interval(ctl, &interval) != 0 || daemon_connect(ctl, &v) != 0)
		return CTL_FAILED;
	status = look_twice(v, interval);
	varlink_close(v);
	return status;
}

const struct ctl_command cmd_stores = {
	.name = "stores",
	.args = "",
	.help = "List stores, tier by tier, with what they do now.",
	.reads = true,
	.options = OPT_BIT(OPT_INTERVAL),
	.run = stores,
};
