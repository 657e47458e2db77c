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
	else if (r < 0 && r != -EAGAIN)
		b->errors++;
	return r;
}

void
backend_attach(struct backend *b, const struct backend_host *host)
{
	if (b->ops->attach != NULL)
		b->ops->attach(b->state, host);
}

int
backend_store(struct backend *b, const struct packed *p, uint32_t owner,
    uint64_t *handle)
{
	uint64_t h = UINT64_MAX;
	int r;

	ASSERT(p->len <= PACK_MAX || p->len == PACK_PAGE);
	ASSERT(owner != 0);
	r = b->ops->store(b->state, p, owner, &h);
	ASSERT(r == 0 || r == -ENOSPC || r == -EIO || r == -EAGAIN);
	if (r == 0) {
		ASSERT(h <= BACKEND_HANDLE_MAX);
		*handle = h;
	}
	return count(b, r, &b->stores);
}

int
backend_peek(struct backend *b, uint64_t handle, struct packed *p)
{
	int r;

	ASSERT(handle <= BACKEND_HANDLE_MAX);
	r = b->ops->peek(b->state, handle, p);
	ASSERT(r == 0 || r == BACKEND_WAIT || r == -EIO);
	ASSERT(r != 0 || p->len <= PACK_MAX || p->len == PACK_PAGE);
	return count(b, r, &b->loads);
}

void
backend_want(struct backend *b, const uint64_t *handles, uint32_t n)
{
	if (b->ops->want != NULL)
		b->ops->want(b->state, handles, n);
}

int
backend_same(struct backend *b, uint64_t handle, const void *page)
{
	struct packed p;
	int r = backend_peek(b, handle, &p);

	if (r == BACKEND_WAIT)
		return 0;
	if (r < 0 || unpack_page(&p, b->loaded) < 0)
		return -EIO;
	return memcmp(b->loaded, page, BACKEND_PAGE) == 0;
}

void
backend_free(struct backend *b, uint64_t handle)
{
	ASSERT(handle <= BACKEND_HANDLE_MAX);
	b->ops->free(b->state, handle);
	b->frees++;
}

int
backend_fd(const struct backend *b)
{
	return b->ops->fd != NULL ? b->ops->fd(b->state) : -1;
}

void
backend_ready(struct backend *b)
{
	if (b->ops->ready != NULL)
		b->ops->ready(b->state);
}

uint64_t
backend_step(struct backend *b)
{
	return b->ops->step != NULL ? b->ops->step(b->state) : UINT64_MAX;
}

bool
backend_idle(const struct backend *b)
{
	return b->ops->idle == NULL || b->ops->idle(b->state);
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
