/*
 * test-shared.c: named memory, as the control plane lists and unlinks it
 */
#include "library.h"
#include "planes.h"
#include "report.h"
#include "state.h"
#include "vm-fixture.h"

#define ROOT 0
#define OTHER 2000
#define ROOM 4

static struct pager pager;
static struct object_info infos[ROOM];

static struct object *
named(uint32_t uid, const char *name, uint64_t npages)
{
	const struct object_spec spec = { .memtype = MEMTYPE_SHARED,
		.uid = uid,
		.npages = npages,
		.name = name };
	struct object *o;

	CHECK(object_new(&pager.vm, NULL, &spec, &o) == 0);
	return o;
}

static struct mail_objects
ask(size_t max)
{
	struct mail_objects m = { .objects = infos, .max = max };

	report_objects(&pager, &m);
	return m;
}

static int
unlink_name(uint32_t uid, const char *name, bool any)
{
	struct mail_unlink m = { .uid = uid, .any = any };

	name_set(m.name, name);
	return library_unlink(&pager, &m);
}

static void
open_pager(void)
{
	const struct vm_config config = { .max_groups = 16,
		.max_spaces = 16,
		.max_regions = 64,
		.max_blocks = 64,
		.max_objects = 16,
		.max_slots = 1 << 16 };

	CHECK(vm_open(&pager.vm, &config, release, NULL) == 0);
}

static void
close_pager(void)
{
	CHECK(vm_check(&pager.vm, say, NULL) == 0);
	CHECK(pager.vm.objects.used == 0);
	vm_close(&pager.vm);
}

static void
test_list(void)
{
	struct mail_objects m;
	struct object *o;
	uint32_t block;

	open_pager();
	m = ask(ROOM);
	CHECK(m.n == 0 && !m.more);
	o = named(USER, "one", 5);
	(void)named(OTHER, "two", 1);
	object_resident(&pager.vm, o, 0);
	object_resident(&pager.vm, o, 4);
	CHECK(physblock_new(&pager.vm, where_make(WHERE_STORED, 0, 7),
		  &block) == 0);
	object_out(&pager.vm, o, 1, block);
	m = ask(ROOM);
	CHECK(m.n == 2 && !m.more);
	CHECK(infos[0].id == o->rec->id && infos[0].uid == USER);
	CHECK(strcmp(infos[0].name, "one") == 0);
	CHECK(infos[0].bytes == 5 * PAGE && infos[0].users == 0);
	CHECK(infos[0].resident_bytes == 2 * PAGE);
	CHECK(infos[0].out_bytes == PAGE);
	CHECK(strcmp(infos[1].name, "two") == 0 && infos[1].uid == OTHER);
	m = ask(2);
	CHECK(m.n == 2 && !m.more);
	m = ask(1);
	CHECK(m.n == 1 && m.more);
	CHECK(unlink_name(USER, "one", false) == 0);
	CHECK(unlink_name(OTHER, "two", false) == 0);
	close_pager();
}

static void
test_users(void)
{
	open_pager();
	(void)named(USER, "both", 1);
	(void)named(ROOT, "both", 1);
	CHECK(unlink_name(USER, "none", false) == -ENOENT);
	CHECK(unlink_name(OTHER, "both", false) == -ENOENT);
	CHECK(unlink_name(ROOT, "none", true) == -ENOENT);
	/* One's own goes before what is another's. */
	CHECK(unlink_name(ROOT, "both", true) == 0);
	CHECK(ask(ROOM).n == 1 && infos[0].uid == USER);
	CHECK(unlink_name(ROOT, "both", false) == -ENOENT);
	CHECK(unlink_name(ROOT, "both", true) == 0);
	CHECK(ask(ROOM).n == 0);
	close_pager();
}

/* What is mapped has lost its name only, and goes with its last region. */
static void
test_mapped(void)
{
	struct group_record grec = { .limit_bytes = 64 << 20 };
	struct space_record rec = { .uid = USER };
	struct space *sp;
	struct group *g;

	open_pager();
	CHECK(group_new(&pager.vm, &grec, &g) == 0);
	rec.group = g->index;
	CHECK(space_new(&pager.vm, &rec, &sp) == 0);
	CHECK(space_map(&pager.vm, sp,
		  &(struct map_spec){ .start = BASE,
		      .npages = 3,
		      .object = named(USER, "one", 3) }) == 0);
	CHECK(ask(ROOM).n == 1 && infos[0].users == 1);
	CHECK(unlink_name(USER, "one", false) == 0);
	CHECK(ask(ROOM).n == 0 && pager.vm.objects.used == 1);
	CHECK(unlink_name(USER, "one", false) == -ENOENT);
	space_free(&pager.vm, sp);
	group_free(&pager.vm, g);
	close_pager();
}

static const struct test tests[] = {
	{ "named memory is listed", test_list },
	{ "whose name it is", test_users },
	{ "memory that is mapped loses its name", test_mapped },
};

TEST_MAIN(tests)
