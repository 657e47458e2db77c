#include "physblock.h"

#include "assert.h"
#include "vm.h"

int
physblock_new(struct vm *vm, uint64_t where, uint32_t *block)
{
	struct physblock *pb;
	int r;

	ASSERT(where_kind(where) != WHERE_NOWHERE);
	r = table_alloc(&vm->blocks, block);
	if (r < 0)
		return r;
	pb = table_at(&vm->blocks, *block);
	pb->where = where;
	vm->blocks.aux[*block] = 1;
	vm->block_refs++;
	return 0;
}

void
physblock_ref(struct vm *vm, uint32_t block)
{
	ASSERT(vm->blocks.aux[block] > 0);
	ASSERT(vm->blocks.aux[block] < UINT32_MAX);
	vm->blocks.aux[block]++;
	vm->block_refs++;
}

void
physblock_unref(struct vm *vm, uint32_t block)
{
	ASSERT(vm->blocks.aux[block] > 0);
	vm->block_refs--;
	if (--vm->blocks.aux[block] > 0)
		return;
	vm->release(vm->release_ctx, block, physblock_where(vm, block));
	table_free(&vm->blocks, block);
}

uint32_t
physblock_refs(const struct vm *vm, uint32_t block)
{
	return vm->blocks.aux[block];
}

uint64_t
physblock_where(const struct vm *vm, uint32_t block)
{
	const struct physblock *pb = table_at(&vm->blocks, block);

	return pb->where;
}

void
physblock_move(struct vm *vm, uint32_t block, uint64_t where)
{
	struct physblock *pb = table_at(&vm->blocks, block);

	ASSERT(where_kind(where) != WHERE_NOWHERE);
	ASSERT(vm->blocks.aux[block] > 0);
	__atomic_store_n(&pb->where, where, __ATOMIC_RELEASE);
}
