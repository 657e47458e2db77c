/*
 * table.h: fixed-size records in shared memory, addressed by index
 *
 * A table is a memfd: a header page, then records.  It holds *truth*: it
 * contains no pointers and survives its process if somebody keeps the fd.
 * What is not truth is the index beside it, rebuilt by table_open() from a
 * predicate that says which records are in use: a free list, kept in aux[],
 * one 32-bit word for each record.  While a record is in use, its aux word
 * belongs to the table's owner (physblocks keep their reference count there).
 *
 * => one thread only
 * => memory is reserved at open and touched as records are used; no call
 *    below allocates after table_open()
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	int fd;                      /* memfd, owned */
	size_t record_size;          /* bytes, a multiple of 8 */
	uint32_t capacity;           /* records, index 0 is never handed out */
	uint32_t used;               /* records in use now */
	uint32_t free_head;          /* 0: none */
	struct table_header *header; /* start of the mapping */
	char *records; /* record i is at records + i * record_size */
	uint32_t *aux;
};

/*
 * table_open: make a table, or take over an existing one
 *
 * => fd < 0: a new memfd named name; else fd is taken (owned, also when this
 *    fails) and checked against record_size and capacity
 * => in_use tells used records from free ones (may be NULL when fd < 0)
 * => returns 0 or -errno (-EPROTO: fd holds some other table)
 */
int table_open(struct table *, const char *name, int fd, size_t record_size,
    uint32_t capacity, bool (*in_use)(const void *record));
/* => accepts a zeroed table; the memfd lives on where a dup of it is kept */
void table_close(struct table *);

/* => the record is zeroed, its aux word 0; returns 0 or -ENOSPC */
int table_alloc(struct table *, uint32_t *index);
/* => zeroes the record; index must be in use */
void table_free(struct table *, uint32_t index);

static inline void *
table_at(const struct table *t, uint32_t index)
{
	return t->records + (size_t)index * t->record_size;
}

/* Upper bound (exclusive) of the indices ever used: for walks. */
uint32_t table_high(const struct table *);

/* Bytes of memory that truth and index occupy now. */
uint64_t table_bytes(const struct table *);

#endif
