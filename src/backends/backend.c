/*
 * backend.c: the one way to a backend: checks the contract, counts, calls
 *
 * A backend that breaks the contract stops the daemon: what it would do next
 * is to give some client another client's page.
 */
#include "backend.h"

#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "builtin.h"

struct backend { /* fault thread after open */
	const struct backend_ops *ops;
	uint64_t stores;
	uint64_t loads;
	uint64_t frees;
	uint64_t errors;
	alignas(max_align_t) char loaded[BACKEND_PAGE]; /* by backend_same */
	alignas(max_align_t) char state[];
};

#define BACKEND_ENTRY(name) &name##_backend,
const struct backend_ops *const backend_list[] = {
	BACKENDS(BACKEND_ENTRY) NULL,
};

static const struct backend_ops *
find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; backend_list[i] != NULL; i++) {
		if (strlen(backend_list[i]->name) == len &&
		    strncmp(backend_list[i]->name, name, len) == 0)
			return backend_list[i];
	}
	return NULL;
}

int
backend_open(const char *spec, struct backend **bp, char *err, size_t errlen)
{
	const struct backend_ops *ops;
	const char *args;
	struct backend *b;
	size_t len;
	int r;

	len = strcspn(spec, ":");
	args = spec[len] == ':' ? spec + len + 1 : NULL;
	ops = find(spec, len);
	if (ops == NULL) {
		snprintf(err, errlen, "no store is called '%.*s'", (int)len,
		    spec);
		return -EINVAL;
	}
	b = calloc(1, sizeof(*b) + ops->state_size());
	if (b == NULL) {
		snprintf(err, errlen, "%s: out of memory", ops->name);
		return -ENOMEM;
	}
	b->ops = ops;
	r = ops->open(b->state, args, err, errlen);
	ASSERT(r <= 0);
	if (r < 0) {
		free(b);
		return r;
	}
	*bp = b;
	return 0;
}

void
backend_close(struct backend *b)
{
	if (b == NULL)
		return;
	b->ops->close(b->state);
	free(b);
}

/* => passes the result on */
static int
count(struct backend *b, int r, uint64_t *successes)
{
	if (r == 0)
		(*successes)++;
	else
		b->errors++;
	return r;
}

int
backend_store(struct backend *b, const void *page, uint64_t *handle)
{
	uint64_t h = UINT64_MAX;
	int r;

	r = b->ops->store(b->state, page, &h);
	ASSERT(r == 0 || r == -ENOSPC || r == -EIO);
	if (r == 0) {
		ASSERT(h <= BACKEND_HANDLE_MAX);
		*handle = h;
	}
	return count(b, r, &b->stores);
}

int
backend_load(struct backend *b, uint64_t handle, void *page)
{
	int r;

	ASSERT(handle <= BACKEND_HANDLE_MAX);
	r = b->ops->load(b->state, handle, page);
	ASSERT(r == 0 || r == -EIO);
	return count(b, r, &b->loads);
}

int
backend_same(struct backend *b, uint64_t handle, const void *page)
{
	int r;

	r = backend_load(b, handle, b->loaded);
	return r < 0 ? r : memcmp(b->loaded, page, BACKEND_PAGE) == 0;
}

void
backend_free(struct backend *b, uint64_t handle)
{
	ASSERT(handle <= BACKEND_HANDLE_MAX);
	b->ops->free(b->state, handle);
	b->frees++;
}

void
backend_stats(const struct backend *b, struct backend_stats *st)
{
	memset(st, 0, sizeof(*st));
	b->ops->stats(b->state, st);
	st->stores = b->stores;
	st->loads = b->loads;
	st->frees = b->frees;
	st->errors = b->errors;
}

const char *
backend_name(const struct backend *b)
{
	return b->ops->name;
}
