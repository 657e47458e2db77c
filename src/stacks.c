#include "stacks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "catalog.h"

/* A default that is called like no backend may be a name that is misspelt. */
static void
complain(const struct catalog *c, const struct catalog_store *s, uint32_t tier,
    const char *why, char *err, size_t errlen)
{
	char names[CATALOG_TEXT_MAX];
	char hint[CATALOG_TEXT_MAX + 40] = "";

	if (strcmp(s->name, STORE_UNNAMED) == 0 && c->n > 1 &&
	    catalog_name_valid(s->spec.tiers[tier]))
		snprintf(hint, sizeof(hint),
		    "; the configuration has these: %s",
		    catalog_text(c, names));
	snprintf(err, errlen, "store %s, tier %u: %s%s", s->name, tier, why,
	    hint);
}

static int
open_store(struct stacks *st, const struct catalog *c,
    const struct catalog_store *s, char *err, size_t errlen)
{
	struct stack_spec *spec = &st->specs[st->nspecs++];
	char why[256];
	int r;

	spec->tiers = st->backends + st->nbackends;
	for (; spec->n < s->spec.n; spec->n++) {
		r = backend_open(s->spec.tiers[spec->n],
		    &st->backends[st->nbackends], why, sizeof(why));
		if (r < 0) {
			complain(c, s, spec->n, why, err, errlen);
			return r;
		}
		st->nbackends++;
	}
	return 0;
}

int
stacks_open(struct stacks *st, const struct catalog *c, char *err,
    size_t errlen)
{
	const struct catalog_store *s;
	int r = 0;

	if (c->ntiers > STORES) {
		snprintf(err, errlen,
		    "the stores have %u tiers together, and %u are possible: "
		    "define fewer",
		    c->ntiers, STORES);
		return -EINVAL;
	}
	TAILQ_FOREACH(s, &c->stores, entry) {
		r = open_store(st, c, s, err, errlen);
		if (r < 0)
			break;
	}
	return r;
}

void
stacks_close(struct stacks *st)
{
	while (st->nbackends > 0)
		backend_close(st->backends[--st->nbackends]);
}
