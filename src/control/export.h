/*
 * export.h: a snapshot as an ELF core file
 *
 * => control thread; the writing itself is done by a worker
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "elfcore.h"

struct hub;
struct snapshot;

/* => called once: 0 or -errno */
typedef void export_done(void *ctx, const struct elfcore_stats *, int result);

/*
 * export_start: to fd, which is taken over; the snapshot is not to be dropped
 * before done() was called
 *
 * => pages that are out are brought in one after the other, by faults of the
 *    holder: within the group's budget
 */
void export_start(struct hub *, struct snapshot *, int fd, export_done *,
    void *ctx);

#endif
