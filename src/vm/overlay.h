/*
 * overlay.h: pages of a client's own over those of an object
 *
 * What cow and image have in common.  A page is the object's until it is
 * written; from then on it is the client's own and lives in the region's slot,
 * like one of anon.  Thrown away, it is the object's again.
 */
#ifndef OVERLAY_H
#define OVERLAY_H

#include "memtype.h"

enum plan overlay_plan(const struct vm *, const struct region *, uint64_t page,
    enum access);
bool overlay_writable(const struct vm *, const struct region *, uint64_t page);
/* => the source has every page: its frames can go at any time */
enum leave overlay_leave(const struct vm *, const struct object *,
    uint64_t page);

#endif
