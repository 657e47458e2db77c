/*
 * catalog.h: the stores of the configuration, each a stack of tiers
 *
 *	define --> ... --> settle: the default first, all have numbers
 *
 * => control thread; const after settle
 */
#ifndef CATALOG_H
#define CATALOG_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "spec.h"

#define STORE_NAME_MAX 32
#define STORE_UNNAMED "default" /* of a default that was given as a spec */
#define CATALOG_TEXT_MAX 256

struct catalog_store {
	TAILQ_ENTRY(catalog_store) entry;
	char name[STORE_NAME_MAX];
	struct spec spec;
	uint32_t number; /* as plane_start() gets them: the default is 0 */
};

struct catalog {
	TAILQ_HEAD(, catalog_store) stores;
	uint32_t n;
	uint32_t ntiers; /* of all stores together */
};

void catalog_init(struct catalog *);
void catalog_fini(struct catalog *);

/* => what can never be taken for a spec of more than a name, nor a path */
bool catalog_name_valid(const char *);

/*
 * catalog_define: a store of that name, which is valid; a later spec of the
 * same name replaces an earlier one
 *
 * => 0; -EINVAL or -ENOMEM, with one line in err
 */
int catalog_define(struct catalog *, const char *name, const char *spec,
    char *err, size_t errlen);

/* => store: the NAME of one, or a spec; 0; -EINVAL or -ENOMEM, likewise */
int catalog_settle(struct catalog *, const char *store, char *err,
    size_t errlen);

/* => or NULL */
const struct catalog_store *catalog_find(const struct catalog *,
    const char *name);
const struct catalog_store *catalog_at(const struct catalog *, uint32_t number);

/* => text: the names, as many as fit */
const char *catalog_text(const struct catalog *, char text[CATALOG_TEXT_MAX]);
/* As arrays: each NAME, each NAME/TIER. */
json_t *catalog_names(const struct catalog *);
json_t *catalog_tiers(const struct catalog *);

#endif
