/*
 * host-model.c: a look into the pager's model, past its answers
 */
#include "host.h"

#include <stdlib.h>

#include "backend.h"
#include "extent.h"
#include "parcel.h"
#include "store.h"
#include "vm.h"

bool
host_knows(uint64_t space, uint64_t addr)
{
	const struct vm *vm = pager_vm(host.pager);
	struct region *r;

	for (uint32_t i = 1; i < table_high(&vm->spaces); i++) {
		struct space *sp = &vm->space_index[i];

		if (sp->rec == NULL || sp->rec->id != space)
			continue;
		r = space_find(sp, addr);
		return r == NULL || slot_state(region_slot(vm, r,
					region_page(r, addr))) != SLOT_UNKNOWN;
	}
	return true;
}

/* => a page of a space that nothing but its process has */
bool
host_is_only_copy(uint64_t space, uint64_t addr)
{
	struct vm *vm = pager_vm(host.pager);
	struct space *sp = space_get(vm, space);
	struct region *r = sp != NULL ? space_find(sp, addr) : NULL;
	uint64_t slot, where;

	if (r == NULL)
		return false;
	slot = region_slot(vm, r, region_page(r, addr));
	if (slot_block(slot) == 0)
		return slot_state(slot) == SLOT_RESIDENT;
	/* The staging area goes with the process; of a clean page, both. */
	where = physblock_where(vm, slot_block(slot));
	return where_kind(where) == WHERE_STAGED &&
	       !parcel_has(host.pager, where);
}

static void
model_problem(void *ctx, const char *line)
{
	(void)ctx;
	sim_trace("model: %s", line);
}

static void
check_users_of(const struct vm *vm, const struct region *r, uint32_t *uid_of)
{
	uint64_t n = r->rec->npages, page;

	for (page = 0; (page = region_next(vm, r, page, n)) < n; page++) {
		uint32_t block = slot_block(region_slot(vm, r, page));
		uint32_t uid = r->space->rec->uid;

		if (block == 0)
			continue;
		if (uid_of[block] != 0 && uid_of[block] != uid)
			sim_fail("block %u belongs to two users", block);
		uid_of[block] = uid;
	}
}

/* Nobody shares a block with another user. */
static void
check_users(const struct vm *vm)
{
	uint32_t *uid_of = calloc(table_high(&vm->blocks), sizeof(*uid_of));

	for (uint32_t i = 1; i < table_high(&vm->regions); i++)
		if (vm->region_index[i].rec != NULL)
			check_users_of(vm, &vm->region_index[i], uid_of);
	free(uid_of);
}

void
host_check_model(void)
{
	struct vm *vm = pager_vm(host.pager);
	int n = vm_check(vm, model_problem, NULL);

	if (n != 0)
		sim_fail("%d problems in the model", n);
	check_users(vm);
}

void
host_check_empty(void)
{
	struct vm *vm = pager_vm(host.pager);
	uint64_t stored = 0;
	struct backend_stats st;
	struct object *o;

	while ((o = TAILQ_FIRST(&vm->named)) != NULL)
		object_drop(vm, o);
	if (vm->objects.used > 0)
		sim_fail("left: %u objects", vm->objects.used);
	for (uint32_t i = 0; i < host.nstores; i++) {
		backend_stats(host.stores[i], &st);
		stored += st.pages;
	}
	if (vm->blocks.used + vm->regions.used + vm->spaces.used > 0 ||
	    extents_used(vm->slots.extents) > 0 || stored > 0)
		sim_fail("left: %u blocks, %u regions, %u spaces, %llu slots, "
			 "%llu stored pages",
		    vm->blocks.used, vm->regions.used, vm->spaces.used,
		    (unsigned long long)extents_used(vm->slots.extents),
		    (unsigned long long)stored);
	SIM_CHECK(store_handles() == 0);
}
