/*
 * snapshot.h: spaces without a client, that never change
 *
 * A snapshot is what a fork of a space has: in the live system a frozen child
 * process, the holder, has the pages that are RESIDENT in it.  They may leave
 * it for the store as others do; nothing else happens to a snapshot.  Memory
 * that a fork does not freeze (shared) is not in it.
 *
 * It is there while it has a name or some object comes from it.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdint.h>

struct space;
struct vm;

/*
 * snapshot_new: sp, as it is now, under a name of its user
 *
 * => the group and the user are sp's; the pid is the caller's to fill in
 * => 0; -EINVAL: a name that cannot be, or sp is a snapshot; -EEXIST: the user
 *    has one of that name; -ENOSPC
 */
int snapshot_new(struct vm *, const struct space *sp, const char *name,
    struct space **);
/*
 * snapshot_become: a forked space is a snapshot from now on
 *
 * => memory that a fork does not freeze goes from it
 * => 0; -EINVAL: a name that cannot be, or it is one; -EEXIST
 */
int snapshot_become(struct vm *, struct space *, const char *name);
/* => NULL: this user has none of that name */
struct space *snapshot_find(struct vm *, uint32_t uid, const char *name);
/* => it has no name any longer; gone if no object comes from it */
void snapshot_drop(struct vm *, struct space *);

/*
 * snapshot_lose: the holder is gone
 *
 * => pages that only it had are LOST: reading them is an error
 * => 0 or -ENOSPC (no block; nothing was changed)
 */
int snapshot_lose(struct vm *, struct space *);

/*
 * snapshot_clone: [start, end) of a snapshot, in another space at the same
 * addresses, copy-on-write
 *
 * => clones of a region map one object; a region that shows only an object's
 *    pages is cloned as another region of that object
 * => 0; -EINVAL: the range, or no snapshot; -EACCES: another user's; -EEXIST:
 *    to has something there; -EPERM: to is a snapshot; -ENOSPC.  On failure
 *    nothing was changed
 */
int snapshot_clone(struct vm *, struct space *snapshot, struct space *to,
    uint64_t start, uint64_t end);

/* For object.c: an object comes from it, or does not any longer. */
void snapshot_hold(struct space *);
void snapshot_unhold(struct vm *, struct space *);

#endif
