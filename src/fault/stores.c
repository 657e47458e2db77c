#include "stores.h"

#include <errno.h>

#include "assert.h"
#include "backend.h"
#include "client.h"
#include "physblock.h"
#include "planes.h"
#include "tiers.h"
#include "work.h"

#define FULL_US 100000 /* a stack is full: try again after */

_Static_assert(LOAD_WAIT == BACKEND_WAIT, "one is passed on as the other");

static uint64_t
host_now(void *ctx)
{
	const struct store *s = ctx;

	return now_ns(s->pager);
}

static void
host_work(void *ctx, struct work *w)
{
	const struct store *s = ctx;

	s->pager->host.work(s->pager->host.ctx, w);
}

static uint64_t
where_of(const struct store *s, uint64_t handle)
{
	return where_make(WHERE_STORED, (unsigned int)(s - s->pager->stores.at),
	    handle);
}

static bool
host_names(void *ctx, uint32_t owner, uint64_t handle)
{
	const struct store *s = ctx;
	const struct vm *vm = &s->pager->vm;

	return owner < table_high(&vm->blocks) &&
	       (physblock_where(vm, owner) & ~WHERE_YOUNG) ==
		   where_of(s, handle);
}

static void
host_moved(void *ctx, uint32_t owner, uint64_t from, uint64_t to)
{
	const struct store *s = ctx;
	struct vm *vm = &s->pager->vm;

	ASSERT(host_names(ctx, owner, from));
	physblock_move(vm, owner,
	    where_of(s, to) | (physblock_where(vm, owner) & WHERE_YOUNG));
}

static void
store_open(struct pager *p, uint32_t stack, struct backend *backend)
{
	struct store *s = &p->stores.at[p->stores.n++];
	const struct backend_host host = {
		.now_ns = host_now,
		.work = host_work,
		.names = host_names,
		.moved = host_moved,
		.ctx = s,
	};

	*s = (struct store){ .pager = p, .backend = backend, .stack = stack };
	backend_attach(backend, &host);
}

void
stores_open(struct pager *p, const struct stack_spec *specs, uint32_t n)
{
	struct stores *all = &p->stores;

	ASSERT(n > 0);
	for (uint32_t i = 0; i < n; i++) {
		ASSERT(specs[i].n > 0 && all->n + specs[i].n <= STORES);
		all->stacks[all->nstacks++] =
		    (struct stack){ .first = all->n, .n = specs[i].n };
		for (uint32_t k = 0; k < specs[i].n; k++)
			store_open(p, i, specs[i].tiers[k]);
	}
}

uint32_t
store_tier(const struct store *s)
{
	const struct stores *all = &s->pager->stores;

	return (uint32_t)(s - all->at) - all->stacks[s->stack].first;
}

static struct store *
store_at(struct pager *p, uint64_t where)
{
	ASSERT(where_kind(where) == WHERE_STORED);
	ASSERT(where_backend(where) < p->stores.n);
	return &p->stores.at[where_backend(where)];
}

static struct store *
store_of(struct pager *p, uint32_t block)
{
	return store_at(p, physblock_where(&p->vm, block));
}

/* => 0: the block is there now, whatever it was before */
static int
put(struct pager *p, struct store *s, const struct packed *packed,
    uint32_t block)
{
	uint64_t handle;
	int r;

	if (s->later)
		return -EAGAIN;
	r = backend_store(s->backend, packed, block, &handle);
	if (r == 0)
		physblock_move(&p->vm, block,
		    where_of(s, handle) | WHERE_YOUNG);
	else if (r == -EAGAIN)
		s->later = true;
	else
		count(p, r == -ENOSPC ? C_store_full : C_store_errors, 1);
	return r;
}

/* What the faster ones have no room for, or refuse, a slower one takes. */
int
stores_put(struct pager *p, uint32_t stack, const struct packed *packed,
    uint32_t block)
{
	struct stack *st = &p->stores.stacks[stack];
	int r = -ENOSPC;

	for (uint32_t i = 0; i < st->n; i++) {
		struct store *s = &p->stores.at[st->first + i];

		if (s->draining)
			continue;
		r = put(p, s, packed, block);
		if (r == 0 || r == -EAGAIN)
			break;
	}
	st->later = r == -EAGAIN;
	if (r == 0)
		st->full_us = 0;
	return r;
}

bool
stores_later(const struct pager *p, uint32_t stack)
{
	return p->stores.stacks[stack].later;
}

void
stores_set_full(struct pager *p, uint32_t stack)
{
	p->stores.stacks[stack].full_us = now_us(p) + FULL_US;
}

uint64_t
stores_full_until(const struct pager *p, uint32_t stack)
{
	uint64_t until = p->stores.stacks[stack].full_us;

	return now_us(p) < until ? until : 0;
}

int
stores_move(struct pager *p, uint32_t block, const struct packed *packed,
    struct store *to)
{
	uint64_t was = physblock_where(&p->vm, block);
	int r = put(p, to, packed, block);

	if (r == 0)
		stores_release(p, was);
	return r;
}

int
stores_load(struct pager *p, uint32_t block, void *page)
{
	uint64_t where = physblock_where(&p->vm, block);
	uint64_t handle = where_data(where);
	struct store *s = store_at(p, where);
	struct packed packed;
	int r = backend_peek(s->backend, handle, &packed);

	if (r == BACKEND_WAIT)
		backend_want(s->backend, &handle, 1);
	if (r == 0)
		r = unpack_page(&packed, page);
	if (r < 0)
		count(p, C_store_errors, 1);
	if (r == 0)
		tiers_loaded(p, s, block, &packed);
	return r;
}

void
stores_want(struct pager *p, const uint32_t *blocks, uint32_t n)
{
	uint64_t handles[FILL_PAGES];
	uint32_t i, k;

	ASSERT(n <= FILL_PAGES);
	for (i = 0; i < n; i = k) {
		struct store *s = store_of(p, blocks[i]);

		for (k = i; k < n && store_of(p, blocks[k]) == s; k++)
			handles[k - i] =
			    where_data(physblock_where(&p->vm, blocks[k]));
		backend_want(s->backend, handles, k - i);
	}
}

int
stores_same(struct pager *p, uint32_t block, const void *page)
{
	int r = backend_same(store_of(p, block)->backend,
	    where_data(physblock_where(&p->vm, block)), page);

	if (r < 0)
		count(p, C_store_errors, 1);
	return r;
}

bool
stores_in(const struct pager *p, uint32_t stack, uint32_t block)
{
	uint64_t where = physblock_where(&p->vm, block);

	return where_kind(where) == WHERE_STORED &&
	       p->stores.at[where_backend(where)].stack == stack;
}

void
stores_release(struct pager *p, uint64_t where)
{
	backend_free(store_at(p, where)->backend, where_data(where));
}

/* Whoever looks after the machine is told when it begins, and when it ends. */
static void
say_failing(struct pager *p, struct store *s)
{
	struct backend_stats st;
	struct notice *n;

	if (backend_fd(s->backend) < 0) /* memory */
		return;
	backend_stats(s->backend, &st);
	if (st.failing == s->failing)
		return;
	n = planes_notice(p->planes,
	    st.failing ? NOTICE_STORE_FAILING : NOTICE_STORE_WELL);
	if (n == NULL) /* the next time */
		return;
	n->stack = s->stack;
	n->tier = store_tier(s);
	planes_notify(p->planes, n);
	s->failing = st.failing;
}

/* It has done something: it may take more, and have what was wanted. */
static void
go_on(struct pager *p, struct store *s)
{
	s->later = false;
	p->stores.stacks[s->stack].later = false;
	clients_ask_again(p);
}

void
stores_ready(struct pager *p, uint32_t number)
{
	ASSERT(number < p->stores.n);
	backend_ready(p->stores.at[number].backend);
	go_on(p, &p->stores.at[number]);
}

void
stores_worked(struct pager *p, struct work *w)
{
	w->done(w);
	for (uint32_t i = 0; i < p->stores.n; i++)
		go_on(p, &p->stores.at[i]);
}

uint64_t
stores_step(struct pager *p)
{
	uint64_t ns = UINT64_MAX;

	for (uint32_t i = 0; i < p->stores.n; i++) {
		ns = earlier(ns, backend_step(p->stores.at[i].backend));
		say_failing(p, &p->stores.at[i]);
	}
	return earlier(ns == UINT64_MAX ? ns : (ns + 999) / 1000,
	    tiers_step(p));
}

uint64_t
stores_bytes(const struct pager *p)
{
	struct backend_stats s;
	uint64_t n = 0;

	for (uint32_t i = 0; i < p->stores.n; i++) {
		backend_stats(p->stores.at[i].backend, &s);
		n += s.stored_bytes;
	}
	return n;
}
