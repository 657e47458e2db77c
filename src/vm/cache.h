/*
 * cache.h: objects that are kept after their last user
 *
 * They are found again by their identity: who filled them, of which device, at
 * which offset.  Those that nobody maps stand in a list, in the order in which
 * they lost their last user, and are given up in that order when memory is
 * short.
 */
#ifndef CACHE_H
#define CACHE_H

#include <sys/tree.h>

#include <stdbool.h>
#include <stdint.h>

struct object;
struct vm;

RB_HEAD(identity_tree, object);
RB_PROTOTYPE(identity_tree, object, identity, identity_compare);

/* => NULL: this user has none */
struct object *cache_find(struct vm *, uint32_t uid, uint64_t device,
    uint64_t offset);

/* => can every page be shown?  Until then it may not be mapped. */
bool cache_complete(const struct vm *, const struct object *);

/*
 * cache_pick: which objects to drop so that want pages, in memory or in the
 * store, become free
 *
 * => those without a user, the oldest first; at most max
 * => returns their number; the caller object_drop()s them
 */
uint32_t cache_pick(const struct vm *, uint64_t want, struct object **,
    uint32_t max);

/* => all that this user has of a device is dropped; returns how many */
uint32_t cache_clear(struct vm *, uint32_t uid, uint64_t device);

/* For object.c: it was made, or it is no longer cached. */
void cache_insert(struct vm *, struct object *);
void cache_remove(struct vm *, struct object *);
/* For object.c: its last user went, or its first came. */
void cache_unused(struct vm *, struct object *);
void cache_used(struct vm *, struct object *);

#endif
