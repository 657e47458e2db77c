/*
 * cmd-stats.c: the daemon's counters, latencies and store
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "commands.h"
#include "daemon.h"
#include "fields.h"
#include "json.h"
#include "varlink.h"

#define STORE_PAGE 4096

static const struct {
	const char *name, *unit, *help;
} known[] = {
#define COUNTER(name, unit, help) { #name, unit, help },
#include "counters.h"
#undef COUNTER
};

static const struct field store_fields[] = {
	{ "name", "kind", FIELD_TEXT },
	{ "pages", "pages", FIELD_INT },
	{ "same_filled", "same-filled", FIELD_INT },
	{ "incompressible", "incompressible", FIELD_INT },
	{ "saved", "saved", FIELD_INT },
	{ "stored", "stored", FIELD_SIZE },
	{ "used", "used", FIELD_SIZE },
	{ "capacity", "capacity", FIELD_LIMIT },
	{ NULL, NULL, 0 },
};

static const struct field usage_fields[] = {
	{ "resident", "resident", FIELD_SIZE },
	{ "out", "out", FIELD_SIZE },
	{ "clean", "clean", FIELD_SIZE },
	{ "total", "total", FIELD_SIZE },
	{ "common", "common", FIELD_SIZE },
	{ "shared", "shared", FIELD_SIZE },
	{ "proportional", "proportional", FIELD_SIZE },
	{ "stored", "stored", FIELD_SIZE },
	{ NULL, NULL, 0 },
};

static const struct field daemon_fields[] = {
	{ "groups", "groups", FIELD_INT },
	{ "spaces", "processes", FIELD_INT },
	{ "metadata", "metadata", FIELD_SIZE },
	{ NULL, NULL, 0 },
};

static void
add_counter(struct columns *c, const char *name, int64_t value,
    const char *unit, const char *help)
{
	columns_text(c, name);
	columns_int(c, value);
	columns_text(c, unit);
	columns_text(c, help);
}

static bool
is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0)
			return true;
	}
	return false;
}

/* In the table's order, then what only the daemon knows. */
static void
print_counters(json_t *counters)
{
	static const char *const headings[] = { "COUNTER", ">VALUE", "UNIT",
		"MEANING", NULL };
	struct columns c;
	const char *name;
	json_t *value;

	columns_init(&c, headings);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		add_counter(&c, known[i].name,
		    json_int(counters, known[i].name), known[i].unit,
		    known[i].help);
	json_object_foreach(counters, name, value)
	{
		if (!is_known(name))
			add_counter(&c, name, json_integer_value(value), "",
			    "");
	}
	columns_print(&c, stdout);
	columns_fini(&c);
}

static void
print_latencies(const json_t *latencies)
{
	static const char *const headings[] = { "LATENCY", ">FAULTS", ">MEAN",
#define QUANTILE(name, permille, heading) ">" heading,
#include "quantiles.h"
#undef QUANTILE
		">MAX", "MEANING", NULL };
	static const char *const members[] = { "mean_ns",
#define QUANTILE(name, permille, heading) #name,
#include "quantiles.h"
#undef QUANTILE
		"max_ns" };
	static const struct {
		const char *name, *help;
	} rows[] = {
#define LATENCY(name, help) { #name, help },
#include "latencies.h"
#undef LATENCY
	};
	struct columns c;

	columns_init(&c, headings);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const json_t *row = json_object_get(latencies, rows[i].name);

		columns_text(&c, rows[i].name);
		columns_int(&c, json_int(row, "count"));
		for (size_t k = 0; k < sizeof(members) / sizeof(members[0]);
		     k++)
			columns_time(&c, json_int(row, members[k]));
		columns_text(&c, rows[i].help);
	}
	putchar('\n');
	columns_print(&c, stdout);
	columns_fini(&c);
}

static void
print_store(const json_t *store)
{
	int64_t pages = json_int(store, "pages");
	int64_t used = json_int(store, "used");

	puts("\nstore");
	fields_print(store, store_fields);
	if (used > 0)
		printf("  %-16s %.2f\n", "ratio",
		    (double)pages * STORE_PAGE / (double)used);
	else
		printf("  %-16s -\n", "ratio");
}

static int
stats(struct ctl *ctl)
{
	json_t *answer;
	int status;

	status = daemon_ask(ctl, "GetStats", NULL, VARLINK_SOON, &answer);
	if (status != CTL_OK)
		return status;
	if (ctl->given[OPT_JSON]) {
		json_print(answer);
		return CTL_OK;
	}
	print_counters(json_object_get(answer, "counters"));
	print_latencies(json_object_get(answer, "latency"));
	print_store(json_object_get(answer, "store"));
	puts("\nadopted memory");
	fields_print(json_object_get(answer, "usage"), usage_fields);
	puts("\ndaemon");
	fields_print(answer, daemon_fields);
	json_decref(answer);
	return CTL_OK;
}

const struct ctl_command cmd_stats = {
	.name = "stats",
	.args = "",
	.help = "Show the daemon's counters, how fast it is, and its store.",
	.reads = true,
	.run = stats,
};
