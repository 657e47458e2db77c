#include "vm.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

static void *
index_new(size_t record, uint32_t n)
{
	void *p = mmap(NULL, record * n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void
index_delete(void *p, size_t record, uint32_t n)
{
	if (p != NULL)
		(void)munmap(p, record * n);
}

static int
vm_open_tables(struct vm *vm, const struct vm_config *c)
{
	int r;

	r = table_open(&vm->groups, "pagerd-groups", -1,
	    sizeof(struct group_record), c->max_groups, NULL);
	if (r == 0)
		r = table_open(&vm->spaces, "pagerd-spaces", -1,
		    sizeof(struct space_record), c->max_spaces, NULL);
	if (r == 0)
		r = table_open(&vm->regions, "pagerd-regions", -1,
		    sizeof(struct region_record), c->max_regions, NULL);
	if (r == 0)
		r = table_open(&vm->objects, "pagerd-objects", -1,
		    sizeof(struct object_record),
		    c->max_objects != 0 ? c->max_objects : VM_OBJECTS, NULL);
	if (r == 0)
		r = table_open(&vm->blocks, "pagerd-blocks", -1,
		    sizeof(struct physblock), c->max_blocks, NULL);
	if (r == 0)
		r = slotmap_open(&vm->slots, c->max_slots);
	return r;
}

static int
vm_open_index(struct vm *vm)
{
	vm->group_index = index_new(sizeof(struct group), vm->groups.capacity);
	vm->space_index = index_new(sizeof(struct space), vm->spaces.capacity);
	vm->region_index =
	    index_new(sizeof(struct region), vm->regions.capacity);
	vm->object_index =
	    index_new(sizeof(struct object), vm->objects.capacity);
	if (vm->group_index == NULL || vm->space_index == NULL ||
	    vm->region_index == NULL || vm->object_index == NULL)
		return -ENOMEM;
	return 0;
}

int
vm_open(struct vm *vm, const struct vm_config *c,
    void (*release)(void *ctx, uint32_t block, uint64_t where), void *ctx)
{
	int r;

	*vm = (struct vm){
		.next_region_id = 1,
		.next_generation = 1,
		.release = release,
		.release_ctx = ctx,
		.object_gone = c->object_gone,
		.snapshot_gone = c->snapshot_gone,
	};
	TAILQ_INIT(&vm->snapshots);
	TAILQ_INIT(&vm->doomed);
	TAILQ_INIT(&vm->named);
	TAILQ_INIT(&vm->unused);
	RB_INIT(&vm->cached);
	r = vm_open_tables(vm, c);
	if (r == 0)
		r = vm_open_index(vm);
	if (r < 0)
		vm_close(vm);
	return r;
}

void
vm_close(struct vm *vm)
{
	index_delete(vm->group_index, sizeof(struct group),
	    vm->groups.capacity);
	index_delete(vm->space_index, sizeof(struct space),
	    vm->spaces.capacity);
	index_delete(vm->region_index, sizeof(struct region),
	    vm->regions.capacity);
	index_delete(vm->object_index, sizeof(struct object),
	    vm->objects.capacity);
	slotmap_close(&vm->slots);
	table_close(&vm->blocks);
	table_close(&vm->objects);
	table_close(&vm->regions);
	table_close(&vm->spaces);
	table_close(&vm->groups);
	memset(vm, 0, sizeof(*vm));
}

uint64_t
vm_bytes(const struct vm *vm)
{
	return table_bytes(&vm->groups) + table_bytes(&vm->spaces) +
	       table_bytes(&vm->regions) + table_bytes(&vm->objects) +
	       table_bytes(&vm->blocks) + slotmap_bytes(&vm->slots) +
	       table_high(&vm->regions) * sizeof(struct region) +
	       table_high(&vm->objects) * sizeof(struct object) +
	       table_high(&vm->spaces) * sizeof(struct space) +
	       table_high(&vm->groups) * sizeof(struct group);
}
