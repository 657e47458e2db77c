/*
 * reserve.h: address space now, memory when it is touched
 *
 * What has to grow without allocating reserves its largest size at the start:
 * memory is taken page by page, as it is touched, and reads as zero before.
 * Nothing here is populated or charged in advance, so a process that locks
 * its memory has to do it with MCL_ONFAULT.
 */
#ifndef RESERVE_H
#define RESERVE_H

#include <stddef.h>
#include <stdint.h>

/* => truth: a new memfd, mapped shared; returns 0 or -errno */
int reserve_shared(const char *name, size_t len, int *fd, void **map);
/* => truth that exists: maps fd, which stays the caller's; 0 or -errno */
int reserve_map(int fd, size_t len, void **map);
/* => index: anonymous memory, in small pages; 0 or -errno */
int reserve_private(size_t len, void **map);
void reserve_release(void *map, size_t len); /* accepts NULL */

/*
 * => gives the memory back, the range reads as zero afterwards; works on
 *    locked mappings too, which madvise() refuses
 */
void reserve_punch(int fd, uint64_t offset, uint64_t len);

/* Bytes of physical memory: more than this cannot be touched. */
uint64_t reserve_physical(void);

#endif
