/*
 * catalog.c: the stores of the configuration, each a stack of tiers
 */
#include "catalog.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
catalog_init(struct catalog *c)
{
	TAILQ_INIT(&c->stores);
	c->n = 0;
	c->ntiers = 0;
}

void
catalog_fini(struct catalog *c)
{
	struct catalog_store *s;

	while ((s = TAILQ_FIRST(&c->stores)) != NULL) {
		TAILQ_REMOVE(&c->stores, s, entry);
		spec_fini(&s->spec);
		free(s);
	}
}

bool
catalog_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		if (!isalnum((unsigned char)name[i]) &&
		    strchr("_.-", name[i]) == NULL)
			return false;
	}
	return i > 0 && i < STORE_NAME_MAX;
}

/* => NULL: there is none of that name */
static struct catalog_store *
find(const struct catalog *c, const char *name)
{
	struct catalog_store *s;

	TAILQ_FOREACH(s, &c->stores, entry) {
		if (strcmp(s->name, name) == 0)
			break;
	}
	return s;
}

int
catalog_define(struct catalog *c, const char *name, const char *text, char *err,
    size_t errlen)
{
	struct catalog_store *s = find(c, name);
	struct spec spec;
	int r;

	r = spec_parse(text, &spec, err, errlen);
	if (r < 0)
		return r;
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL) {
			spec_fini(&spec);
			snprintf(err, errlen, "out of memory");
			return -ENOMEM;
		}
		strcpy(s->name, name);
		TAILQ_INSERT_TAIL(&c->stores, s, entry);
	}
	spec_fini(&s->spec);
	s->spec = spec;
	return 0;
}

int
catalog_settle(struct catalog *c, const char *store, char *err, size_t errlen)
{
	struct catalog_store *s = find(c, store);
	int r;

	if (s == NULL) {
		r = catalog_define(c, STORE_UNNAMED, store, err, errlen);
		if (r < 0)
			return r;
		s = find(c, STORE_UNNAMED);
	}
	TAILQ_REMOVE(&c->stores, s, entry);
	TAILQ_INSERT_HEAD(&c->stores, s, entry);
	TAILQ_FOREACH(s, &c->stores, entry) {
		s->number = c->n++;
		c->ntiers += s->spec.n;
	}
	return 0;
}

const struct catalog_store *
catalog_find(const struct catalog *c, const char *name)
{
	return find(c, name);
}

const struct catalog_store *
catalog_at(const struct catalog *c, uint32_t number)
{
	const struct catalog_store *s;

	TAILQ_FOREACH(s, &c->stores, entry) {
		if (s->number == number)
			break;
	}
	return s;
}

const char *
catalog_text(const struct catalog *c, char text[CATALOG_TEXT_MAX])
{
	const struct catalog_store *s;
	size_t n = 0;

	text[0] = '\0';
	TAILQ_FOREACH(s, &c->stores, entry) {
		if (n + strlen(s->name) + 3 > CATALOG_TEXT_MAX)
			break;
		n += (size_t)sprintf(text + n, "%s%s", n > 0 ? ", " : "",
		    s->name);
	}
	return text;
}

json_t *
catalog_names(const struct catalog *c)
{
	const struct catalog_store *s;
	json_t *list = json_array();

	TAILQ_FOREACH(s, &c->stores, entry)
		json_array_append_new(list, json_string(s->name));
	return list;
}

json_t *
catalog_tiers(const struct catalog *c)
{
	const struct catalog_store *s;
	json_t *list = json_array();

	TAILQ_FOREACH(s, &c->stores, entry) {
		for (uint32_t i = 0; i < s->spec.n; i++)
			json_array_append_new(list,
			    json_sprintf("%s/%u", s->name, i));
	}
	return list;
}
