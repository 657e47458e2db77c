/*
 * cmd-map-space.c: MapSpace
 *
 * Asked in slices, so that the fault plane is held up for a short time only;
 * answered in pieces, so that no answer is too long.  A region that several
 * slices tell of is put together again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "planes.h"
#include "roster.h"
#include "varlink.h"

#define SLICE_REGIONS 256
#define SLICE_RUNS 2048
#define ANSWER_RUNS 16384 /* or regions: then the answer is long enough */

struct drawing {
	struct mail_map mail; /* first: a mail is a drawing */
	json_t *list;         /* owned: regions */
	json_t *region, *run; /* the last ones in it, or NULL */
	size_t nruns;         /* in the list */
	uint64_t end;         /* of the last run, bytes */
	struct region_runs regions[SLICE_REGIONS];
	struct page_run runs[SLICE_RUNS];
};

static const char *const states[] = {
#define STATE(ident, name, help) name,
#include "states.h"
#undef STATE
};

static void mapped(struct mail *);

static void
drawing_free(struct drawing *d)
{
	json_decref(d->list);
	free(d);
}

static void
ask(struct drawing *d, struct call *call)
{
	if (call_ask(call, &d->mail.m, mapped) < 0)
		drawing_free(d);
}

static json_t *
region_json(const struct region_runs *i)
{
	return json_pack("{s:I, s:I, s:I, s:s#, s:I, s:I, s:I, s:I, s:[]}",
	    "id", (json_int_t)i->id, "start", (json_int_t)i->start, "end",
	    (json_int_t)i->end, "memtype", i->memtype,
	    (int)strnlen(i->memtype, sizeof(i->memtype)), "resident",
	    (json_int_t)i->resident_bytes, "out", (json_int_t)i->out_bytes,
	    "clean", (json_int_t)i->clean_bytes, "from", (json_int_t)i->from,
	    "runs");
}

static void
add_run(struct drawing *d, const struct page_run *i)
{
	json_int_t npages = (json_int_t)i->npages;
	json_t *pages = json_object_get(d->run, "pages");
	const char *state = json_string_value(json_object_get(d->run, "state"));

	d->end += i->npages * MAP_PAGE_BYTES;
	if (state != NULL && strcmp(state, states[i->state]) == 0) {
		json_integer_set(pages, json_integer_value(pages) + npages);
		return;
	}
	d->run =
	    json_pack("{s:s, s:I}", "state", states[i->state], "pages", npages);
	json_array_append_new(json_object_get(d->region, "runs"), d->run);
	d->nruns++;
}

/* => its runs go on where those of the last one in the list end */
static bool
goes_on(const struct drawing *d, const struct region_runs *i)
{
	return json_integer_value(json_object_get(d->region, "id")) ==
		   (json_int_t)i->id &&
	       d->end == i->from;
}

static void
add_slice(struct drawing *d)
{
	const struct page_run *run = d->runs;

	for (size_t i = 0; i < d->mail.nregions; i++) {
		const struct region_runs *region = &d->regions[i];

		if (!goes_on(d, region)) {
			d->region = region_json(region);
			d->run = NULL;
			d->end = region->from;
			json_array_append_new(d->list, d->region);
		}
		for (size_t n = 0; n < region->nruns; n++)
			add_run(d, run++);
	}
}

static json_t *
answer(const struct drawing *d)
{
	return json_pack("{s:O, s:o}", "regions", d->list, "next",
	    d->mail.more ? json_integer((json_int_t)d->mail.from)
			 : json_null());
}

static void
mapped(struct mail *m)
{
	struct drawing *d = (struct drawing *)m;
	struct call *call = call_answered(m);

	if (m->result == -ESRCH) {
		call_error(call, "NoSuchProcess",
		    json_pack("{s:I}", "pid",
			(json_int_t)call_int(call, "pid")));
	} else if (m->result < 0) {
		call_failed(call, "the process cannot be mapped", m->result);
	} else {
		add_slice(d);
		if (d->mail.more && d->nruns < ANSWER_RUNS &&
		    json_array_size(d->list) < ANSWER_RUNS) {
			ask(d, call);
			return;
		}
		call_reply(call, answer(d));
	}
	drawing_free(d);
}

static void
map_space(struct call *call)
{
	struct roster_space *space = cmd_space(call, "pid");
	struct drawing *d;

	if (space == NULL)
		return;
	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		call_failed(call, "the process cannot be mapped", -ENOMEM);
		return;
	}
	d->list = json_array();
	d->mail.m.op = MAIL_MAP;
	d->mail.space = space->id;
	d->mail.from = (uint64_t)call_int(call, "from");
	d->mail.regions = d->regions;
	d->mail.max_regions = SLICE_REGIONS;
	d->mail.runs = d->runs;
	d->mail.max_runs = SLICE_RUNS;
	ask(d, call);
}

const struct cmd cmd_map_space = {
	.interface = CMD_INTERFACE,
	.name = "MapSpace",
	.params = { { "pid", CMD_SIZE, false }, { "from", CMD_SIZE, true } },
	.run = map_space,
};
