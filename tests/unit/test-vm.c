/*
 * Random use of the model by families of processes, against an oracle.
 *
 * There are two sides.  The world is what the fault plane and the kernel are:
 * page tables, frames, a store; it asks the model what to do, does it, and
 * tells.  The oracle knows nothing of all that: for each page of each space it
 * says what a program must see there.  Contents are numbers; small ones are
 * frequent, so that pages are alike now and then.
 *
 * TEST_STEPS says how long (and TEST_SEED, which).
 */
#include "vm-fixture.h"

#define PAGES 160 /* of a space */
#define CLIENTS 6
#define SNAPSHOTS 4
#define SPACES (CLIENTS + SNAPSHOTS)
#define OBJECTS 256
#define SHARES 6
#define SHARE_PAGES 32
#define IMAGE_PAGES 64
#define CACHE_KEYS 5
#define CACHE_PAGES 12
#define STEPS 200000

#define NEVER(why) test_failed(why, __FILE__, __LINE__)

enum kind {
	NOTHING,
	ANON,
	SHARED,  /* what is in shares[].data */
	PRIVATE, /* base until it is written */
	CACHED,  /* base */
};

struct want { /* oracle */
	enum kind kind;
	bool written;
	uint64_t data; /* ANON; PRIVATE if written */
	uint64_t base;
	uint32_t share;
	uint64_t at; /* page of the share */
};

enum pte_kind {
	ABSENT,
	OWN,   /* a frame of the process */
	FRAME, /* the object's */
};

struct pte { /* world */
	enum pte_kind kind;
	bool protect;
	uint64_t data; /* OWN */
};

struct process {
	struct space *sp; /* NULL: none */
	uint64_t id;
	struct want want[PAGES];
	struct pte pte[PAGES];
};

struct share {
	uint64_t id; /* of the object */
	uint64_t npages;
	uint64_t data[SHARE_PAGES];
};

static struct process processes[SPACES]; /* snapshots behind the clients */
static struct share shares[SHARES];
static uint64_t frames[OBJECTS][PAGES];
static uint64_t image;    /* id of the object */
static unsigned int made; /* names */

static struct process *
process_of(const struct space *sp)
{
	for (int i = 0; i < SPACES; i++)
		if (processes[i].sp == sp)
			return &processes[i];
	NEVER("a space is somebody's");
}

static uint64_t
some_data(void)
{
	return test_random_below(3) == 0 ? test_random_below(4)
					 : test_random_below(1 << 30);
}

static uint64_t
image_data(uint64_t page)
{
	return UINT64_C(1) << 40 | page;
}

static uint64_t
cache_data(uint64_t key, uint64_t page)
{
	return UINT64_C(2) << 40 | key << 20 | page;
}

static uint64_t
block_data(uint32_t block)
{
	CHECK(where_kind(physblock_where(&vm, block)) == WHERE_STORED);
	return where_data(physblock_where(&vm, block));
}

static uint64_t
bytes_of(const struct origin *from)
{
	const struct pte *pte;

	switch (from->kind) {
	case ORIGIN_ZERO:
		return 0;
	case ORIGIN_CLIENT:
		pte = &process_of(from->space)->pte[(from->at - BASE) / PAGE];
		CHECK(pte->kind == OWN);
		return pte->data;
	case ORIGIN_FRAME:
		return frames[from->object->index][from->at];
	case ORIGIN_BLOCK:
		return block_data(from->block);
	case ORIGIN_IMAGE:
		CHECK(from->image == 3);
		return image_data(from->at);
	case ORIGIN_NOWHERE:
		break;
	}
	NEVER("the bytes are somewhere");
}

static uint64_t
object_bytes(const struct object *o, uint64_t page)
{
	struct origin from = object_origin(&vm, o, page);

	return bytes_of(&from);
}

/* What leaves memory may be in the store already. */
static uint32_t
stored(uint64_t data)
{
	static uint32_t alike[4];
	uint64_t where = where_make(WHERE_STORED, 0, data);
	uint32_t block;

	if (data >= 4)
		return new_block(data);
	block = alike[data];
	if (block != 0 && physblock_where(&vm, block) == where)
		physblock_ref(&vm, block);
	else
		block = alike[data] = new_block(data);
	return block;
}

/*
 * The oracle.
 */
static uint64_t
expected_at(const struct want *w)
{
	switch (w->kind) {
	case ANON:
		return w->data;
	case SHARED:
		return shares[w->share].data[w->at];
	case PRIVATE:
		return w->written ? w->data : w->base;
	case CACHED:
		return w->base;
	case NOTHING:
		break;
	}
	return 0;
}

static void
want_write(struct want *w, uint64_t data)
{
	if (w->kind == SHARED)
		shares[w->share].data[w->at] = data;
	w->data = data;
	w->written = true;
}

static void
want_remove(struct want *w)
{
	w->data = 0;
	w->written = false;
}

static bool
want_free(const struct process *p, uint64_t page, uint64_t n)
{
	for (uint64_t i = page; i < page + n; i++)
		if (p->want[i].kind != NOTHING)
			return false;
	return true;
}

/*
 * The world.
 */
static void
pte_set(struct process *p, uint64_t page, enum pte_kind kind, bool protect,
    uint64_t data)
{
	p->pte[page] = (struct pte){ kind, protect, data };
}

static void
carry_out(struct process *p, struct region *r, uint64_t page,
    enum access access, enum plan plan)
{
	uint64_t rpage = region_page(r, ADDR(page));
	uint64_t opage = region_object_page(r, rpage);
	struct object *o = r->object;
	bool keep = r->memtype->keep_copy(&vm, r, rpage, access);

	switch (plan) {
	case PLAN_ZERO:
		pte_set(p, page, OWN, false, 0);
		region_resident(&vm, r, rpage);
		break;
	case PLAN_FILL:
		pte_set(p, page, OWN, keep,
		    block_data(slot_block(slot_at(p->sp, page))));
		if (keep)
			region_clean(&vm, r, rpage);
		else
			region_resident(&vm, r, rpage);
		break;
	case PLAN_UNPROTECT:
		p->pte[page].protect = false;
		region_written(&vm, r, rpage);
		break;
	case PLAN_FILL_OBJECT:
		frames[o->index][opage] = object_bytes(o, opage);
		object_filled(&vm, o, opage, keep);
		break;
	case PLAN_CONTINUE:
	case PLAN_CONTINUE_PROTECTED:
		CHECK(slot_state(object_slot(&vm, o, opage)) == SLOT_RESIDENT);
		pte_set(p, page, FRAME, plan != PLAN_CONTINUE, 0);
		region_continued(&vm, r, rpage, plan == PLAN_CONTINUE);
		break;
	case PLAN_COPY:
		pte_set(p, page, OWN, false, object_bytes(o, opage));
		region_resident(&vm, r, rpage);
		break;
	case PLAN_BREAK:
		CHECK(p->pte[page].kind == FRAME);
		pte_set(p, page, OWN, false, frames[o->index][opage]);
		region_resident(&vm, r, rpage);
		break;
	case PLAN_DENY:
		NEVER("denied before");
	}
}

static uint64_t *
frame_of(struct process *p, uint64_t page)
{
	struct region *r = at(p->sp, page);

	if (p->pte[page].kind == OWN)
		return &p->pte[page].data;
	return &frames[r->object->index]
		      [region_object_page(r, region_page(r, ADDR(page)))];
}

/* => false: it is not allowed to */
static bool
make_present(struct process *p, uint64_t page, bool write)
{
	for (int tries = 0; tries < 4; tries++) {
		const struct pte *pte = &p->pte[page];
		enum access access = ACCESS_PROTECTED;
		enum plan plan;

		if (pte->kind != ABSENT && !(write && pte->protect))
			return true;
		if (pte->kind == ABSENT)
			access = write ? ACCESS_WRITE : ACCESS_READ;
		plan = plan_at(p->sp, page, access);
		if (plan == PLAN_DENY)
			return false;
		carry_out(p, at(p->sp, page), page, access, plan);
	}
	NEVER("it comes to an end");
}

static void
do_access(struct process *p, uint64_t page)
{
	struct want *w = &p->want[page];
	bool write = test_random_below(2);

	if (w->kind == NOTHING)
		return;
	if (!make_present(p, page, write)) {
		CHECK(w->kind == CACHED && write);
		return;
	}
	CHECK(*frame_of(p, page) == expected_at(w));
	if (write) {
		want_write(w, some_data());
		*frame_of(p, page) = expected_at(w);
	}
}

static void
do_evict(struct process *p, uint64_t page)
{
	struct region *r = at(p->sp, page);
	uint64_t rpage, slot, data = p->pte[page].data;

	if (r == NULL)
		return;
	rpage = region_page(r, ADDR(page));
	slot = region_slot(&vm, r, rpage);
	if (slot_state(slot) != SLOT_RESIDENT)
		return;
	if (slot_clean(slot))
		region_out(&vm, r, rpage, 0);
	else if (data == 0 && region_forgets_to_zero(r))
		region_forget(&vm, r, rpage);
	else
		region_out(&vm, r, rpage, stored(data));
	pte_set(p, page, ABSENT, false, 0);
}

/* As a hole in its memfd does it. */
static void
punch(struct object *o, uint64_t opage)
{
	struct region *r;

	LIST_FOREACH(r, &o->regions, of_object) {
		uint64_t page;
		struct pte *pte;

		if (opage < r->rec->offset ||
		    opage - r->rec->offset >= r->rec->npages)
			continue;
		page = (r->rec->start - BASE) / PAGE + opage - r->rec->offset;
		pte = &process_of(r->space)->pte[page];
		if (pte->kind == FRAME)
			*pte = (struct pte){ .kind = ABSENT };
	}
	frames[o->index][opage] = UINT64_MAX;
}

static void
evict_frame(struct object *o, uint64_t page)
{
	switch (object_leave(&vm, o, page)) {
	case LEAVE_STAY:
		return;
	case LEAVE_DROP:
		object_forget(&vm, o, page);
		break;
	case LEAVE_KEPT:
		object_out(&vm, o, page, 0);
		break;
	case LEAVE_CAPTURE:
		object_out(&vm, o, page, stored(frames[o->index][page]));
		break;
	}
	punch(o, page);
}

static void
do_evict_frames(void)
{
	uint32_t i = 1 + (uint32_t)test_random_below(OBJECTS - 1);
	struct object *o = &vm.object_index[i];

	if (i >= table_high(&vm.objects) || o->rec == NULL)
		return;
	for (int k = 0; k < 8; k++)
		evict_frame(o, test_random_below(o->rec->npages));
}

static void
do_map_anon(struct process *p, uint64_t page, uint64_t n)
{
	map(p->sp, page, n);
	for (uint64_t i = page; i < page + n; i++)
		p->want[i].kind = ANON;
}

static struct process *
some_snapshot(void)
{
	struct process *p = &processes[CLIENTS + test_random_below(SNAPSHOTS)];

	return p->sp != NULL ? p : NULL;
}

/* Where what is to be shared comes from: nothing, an image, a snapshot. */
static void
choose_source(struct object_spec *spec, struct share *sh)
{
	const struct process *snap = some_snapshot();
	uint64_t page = test_random_below(PAGES);
	struct region *r = snap != NULL ? at(snap->sp, page) : NULL;

	if (r != NULL && test_random_below(2)) {
		uint64_t left = r->rec->npages - region_page(r, ADDR(page));

		spec->source = SOURCE_SNAPSHOT;
		spec->source_id = snap->id;
		spec->source_at = ADDR(page);
		if (left < spec->npages)
			spec->npages = left;
		for (uint64_t i = 0; i < spec->npages; i++)
			sh->data[i] = expected_at(&snap->want[page + i]);
	} else if (test_random_below(2)) {
		spec->source = SOURCE_IMAGE;
		spec->source_id = 3;
		spec->source_at = page;
		for (uint64_t i = 0; i < spec->npages; i++)
			sh->data[i] = image_data(page + i);
	}
}

static struct share *
some_share(uint64_t i)
{
	struct object_spec spec = {
		.memtype = MEMTYPE_SHARED, .uid = USER, .npages = SHARE_PAGES
	};
	struct share *sh = &shares[i];
	char name[NAME_BYTES];

	if (object_get(&vm, sh->id) != NULL)
		return sh;
	*sh = (struct share){ .id = 0 };
	(void)snprintf(name, sizeof(name), "share %u", made++);
	spec.name = name;
	choose_source(&spec, sh);
	sh->id = new_object(&spec)->rec->id;
	sh->npages = spec.npages;
	return sh;
}

static void
do_map_shared(struct process *p, uint64_t page, uint64_t n)
{
	uint32_t i = (uint32_t)test_random_below(SHARES);
	const struct share *sh = some_share(i);
	struct object *o = object_get(&vm, sh->id);
	uint64_t offset;

	if (n > sh->npages)
		n = sh->npages;
	offset = test_random_below(sh->npages - n + 1);
	CHECK(try_map(p->sp, page, n, o, offset, 0) == 0);
	for (uint64_t k = 0; k < n; k++)
		p->want[page + k] = (struct want){
			.kind = SHARED, .share = i, .at = offset + k
		};
}

static void
do_map_image(struct process *p, uint64_t page, uint64_t n)
{
	struct object *o = object_get(&vm, image);
	uint64_t offset = test_random_below(IMAGE_PAGES - n);

	if (o == NULL) {
		o = new_image(IMAGE_PAGES);
		image = o->rec->id;
	}
	CHECK(try_map(p->sp, page, n, o, offset, 0) == 0);
	for (uint64_t k = 0; k < n; k++)
		p->want[page + k] = (struct want){ .kind = PRIVATE,
			.base = image_data(100 + offset + k) };
}

static struct object *
some_cached(uint64_t key)
{
	struct object *o = cache_find(&vm, USER, 1, key);

	if (o != NULL)
		return o;
	o = new_object(&(struct object_spec){ .memtype = MEMTYPE_CACHE,
	    .source = SOURCE_CACHE,
	    .uid = USER,
	    .npages = CACHE_PAGES,
	    .source_id = 1,
	    .source_at = key });
	for (uint64_t i = 0; i < CACHE_PAGES; i++) {
		frames[o->index][i] = cache_data(key, i);
		object_resident(&vm, o, i);
	}
	return o;
}

static void
do_map_cached(struct process *p, uint64_t page, uint64_t n)
{
	uint64_t key = test_random_below(CACHE_KEYS);
	struct object *o = some_cached(key);

	if (n > CACHE_PAGES)
		n = CACHE_PAGES;
	CHECK(try_map(p->sp, page, n, o, CACHE_PAGES - n, REGION_READONLY) ==
	      0);
	for (uint64_t k = 0; k < n; k++)
		p->want[page + k] = (struct want){ .kind = CACHED,
			.base = cache_data(key, CACHE_PAGES - n + k) };
}

static void
do_map(struct process *p, uint64_t page, uint64_t n)
{
	static void (*const ways[])(struct process *, uint64_t,
	    uint64_t) = { do_map_anon, do_map_anon, do_map_shared, do_map_image,
		do_map_cached };

	if (want_free(p, page, n))
		ways[test_random_below(5)](p, page, n);
}

static void
do_unmap(struct process *p, uint64_t page, uint64_t n)
{
	CHECK(unmap(p->sp, page, n) == 0);
	memset(&p->want[page], 0, n * sizeof(p->want[0]));
	memset(&p->pte[page], 0, n * sizeof(p->pte[0]));
}

static void
do_remove(struct process *p, uint64_t page, uint64_t n)
{
	space_remove(&vm, p->sp, ADDR(page), ADDR(page + n));
	memset(&p->pte[page], 0, n * sizeof(p->pte[0]));
	for (uint64_t i = page; i < page + n; i++)
		want_remove(&p->want[i]);
}

static void
do_remap(struct process *p, uint64_t from, uint64_t to, uint64_t n)
{
	if (from < to + n && to < from + n)
		return;
	CHECK(space_remap(&vm, p->sp, ADDR(from), ADDR(to), n * PAGE) == 0);
	for (uint64_t i = 0; i < n; i++) {
		p->want[to + i] = p->want[from + i];
		p->pte[to + i] = p->pte[from + i];
		want_remove(&p->want[from + i]);
		pte_set(p, from + i, ABSENT, false, 0);
	}
}

static void
protect_all(struct process *p)
{
	struct region *r;

	RB_FOREACH(r, region_tree, &p->sp->regions)
		region_protect(&vm, r);
	for (int i = 0; i < PAGES; i++)
		p->pte[i].protect = p->pte[i].kind != ABSENT;
}

static void
process_exit(struct process *p)
{
	if (p->sp != NULL)
		space_free(&vm, p->sp);
	memset(p, 0, sizeof(*p));
}

static void
process_start(struct process *p)
{
	process_exit(p);
	p->sp = new_space();
	p->id = p->sp->rec->id;
}

static void
do_fork(struct process *p, struct process *child)
{
	if (child == p)
		return;
	process_start(child);
	CHECK(space_fork(&vm, p->sp, child->sp) == 0);
	memcpy(child->want, p->want, sizeof(p->want));
	memcpy(child->pte, p->pte, sizeof(p->pte));
	if (test_random_below(2))
		protect_all(p);
	if (test_random_below(2))
		protect_all(child);
}

/* Those that went with the last thing that needed them. */
static void
bury_snapshots(void)
{
	for (int i = CLIENTS; i < SPACES; i++)
		if (processes[i].sp != NULL &&
		    space_get(&vm, processes[i].id) == NULL)
			memset(&processes[i], 0, sizeof(processes[i]));
}

static void
do_snapshot(struct process *p)
{
	struct process *snap = &processes[CLIENTS];
	char name[NAME_BYTES];

	while (snap < processes + SPACES && snap->sp != NULL)
		snap++;
	if (snap == processes + SPACES)
		return;
	(void)snprintf(name, sizeof(name), "snapshot %u", made++);
	snap->sp = new_snapshot(p->sp, name);
	snap->id = snap->sp->rec->id;
	memcpy(snap->want, p->want, sizeof(p->want));
	memcpy(snap->pte, p->pte, sizeof(p->pte));
	for (int i = 0; i < PAGES; i++)
		if (snap->want[i].kind == SHARED) {
			snap->want[i] = (struct want){ .kind = NOTHING };
			snap->pte[i] = (struct pte){ .kind = ABSENT };
		}
}

static void
do_clone(struct process *p, uint64_t page, uint64_t n)
{
	const struct process *snap = some_snapshot();
	int rc;

	if (snap == NULL)
		return;
	rc = snapshot_clone(&vm, snap->sp, p->sp, ADDR(page), ADDR(page + n));
	if (!want_free(p, page, n)) {
		CHECK(rc == -EEXIST);
		return;
	}
	CHECK(rc == 0);
	for (uint64_t i = page; i < page + n; i++) {
		const struct want *w = &snap->want[i];

		if (w->kind != NOTHING)
			p->want[i] =
			    (struct want){ .kind = w->kind == CACHED ? CACHED
								     : PRIVATE,
				    .base = expected_at(w) };
	}
}

static void
do_drop(void)
{
	struct process *snap = some_snapshot();
	struct object *o, *picked[2];
	uint32_t n;

	switch (test_random_below(4)) {
	case 0:
		if (snap != NULL)
			snapshot_drop(&vm, snap->sp);
		break;
	case 1:
		o = object_get(&vm, shares[test_random_below(SHARES)].id);
		if (o != NULL)
			object_drop(&vm, o);
		break;
	case 2:
		o = object_get(&vm, image);
		if (o != NULL)
			object_drop(&vm, o);
		image = 0;
		break;
	case 3:
		n = cache_pick(&vm, CACHE_PAGES, picked, 2);
		while (n > 0)
			object_drop(&vm, picked[--n]);
		break;
	}
}

static void
compare_page(struct process *p, uint64_t page)
{
	const struct want *w = &p->want[page];
	const struct pte *pte = &p->pte[page];
	struct origin from;
	uint64_t slot;

	CHECK((at(p->sp, page) != NULL) == (w->kind != NOTHING));
	if (w->kind == NOTHING)
		return;
	from = origin_at(p->sp, page);
	CHECK(bytes_of(&from) == expected_at(w));
	slot = slot_at(p->sp, page);
	CHECK((pte->kind == OWN) == (slot_state(slot) == SLOT_RESIDENT));
	if (pte->kind != ABSENT)
		CHECK(*frame_of(p, page) == expected_at(w));
	if (pte->kind == OWN)
		CHECK(pte->protect == slot_protected(slot));
	if (pte->kind == FRAME && !pte->protect)
		CHECK(!slot_clean(region_shown(&vm, at(p->sp, page),
		    region_page(at(p->sp, page), ADDR(page)))));
}

static void
compare(void)
{
	for (int i = 0; i < SPACES; i++)
		for (uint64_t k = 0; k < PAGES && processes[i].sp; k++)
			compare_page(&processes[i], k);
	sound();
}

/* What is done to several processes, and to what they share. */
static void
step_family(struct process *p)
{
	struct process *other = &processes[test_random_below(CLIENTS)];

	switch (test_random_below(8)) {
	case 0:
		do_fork(p, other);
		break;
	case 1:
		process_start(other);
		break;
	case 2:
	case 3:
	case 4:
		do_snapshot(p);
		break;
	default:
		do_drop();
	}
}

static void
step_layout(struct process *p, uint64_t page, uint64_t n)
{
	switch (test_random_below(16)) {
	case 0:
		do_unmap(p, page, n);
		break;
	case 1:
		do_remove(p, page, n);
		break;
	case 2:
		do_remap(p, page, test_random_below(PAGES - n), n);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		do_clone(p, page, n);
		break;
	default:
		do_map(p, page, n);
	}
}

static void
step_evict(uint64_t page, uint64_t n)
{
	struct process *p = &processes[test_random_below(SPACES)];

	for (uint64_t i = page; i < page + n && p->sp != NULL; i++)
		do_evict(p, i);
	for (uint64_t i = 0; i < n; i++)
		do_evict_frames();
}

static void
step(void)
{
	struct process *p = &processes[test_random_below(CLIENTS)];
	uint64_t n = 1 + test_random_below(24);
	uint64_t page = test_random_below(PAGES - n);
	uint64_t what = test_random_below(100);

	if (what < 2)
		step_family(p);
	else if (what < 20)
		step_layout(p, page, n);
	else if (what < 40)
		step_evict(page, n);
	else
		for (uint64_t i = page; i < page + n; i++)
			do_access(p, i);
	bury_snapshots();
}

static void
drop_one(uint64_t what)
{
	struct object *o;

	if (what < CLIENTS) {
		process_exit(&processes[what]);
	} else if (what < SPACES) {
		if (processes[what].sp != NULL)
			snapshot_drop(&vm, processes[what].sp);
	} else if ((o = &vm.object_index[1 + what - SPACES])->rec != NULL) {
		object_drop(&vm, o);
	}
	bury_snapshots();
}

/* In any order: the last to go leaves nothing. */
static void
drop_all(void)
{
	uint64_t order[SPACES + OBJECTS], n = SPACES;

	n += table_high(&vm.objects) - 1;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t k = test_random_below(i + 1);

		order[i] = order[k];
		order[k] = i;
	}
	for (uint64_t i = 0; i < n; i++) {
		drop_one(order[i]);
		compare();
	}
	CHECK(vm.blocks.used == 0 && vm.objects.used == 0);
	CHECK(vm.spaces.used == 0 && vm.regions.used == 0);
}

static long
steps_wanted(void)
{
	const char *text = getenv("TEST_STEPS");

	return text != NULL ? strtol(text, NULL, 0) : STEPS;
}

static void
random_against_oracle(void)
{
	long steps = steps_wanted();

	begin();
	for (int i = 0; i < CLIENTS; i++)
		process_start(&processes[i]);
	for (long i = 0; i < steps; i++) {
		step();
		if (i % 32 == 0)
			compare();
	}
	drop_all();
	end();
}

static const struct test tests[] = {
	{ "random_against_oracle", random_against_oracle },
};

TEST_MAIN(tests)
