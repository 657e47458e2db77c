/*
 * check.h: the model held against its invariants
 *
 *  I1  regions of a space do not overlap; start and length are page aligned,
 *      not empty, and do not wrap; a region's record names its space
 *  I2  an UNKNOWN slot is zero as a whole
 *  I3  an OUT slot names a block and is not write-protected
 *  I4  a RESIDENT slot that names a block is write-protected: the block is the
 *      page's stored copy and stays true until a write.  One that is protected
 *      and names none was protected by a fork
 *  I5  a block's reference count is the number of slots that name it, and a
 *      block that nobody names is free; the sum of all counts is kept too
 *  I6  a block in use says where its bytes are
 *  I7  the counts of a region, an object and a space are those of its slots;
 *      those of a group, of its spaces and objects
 *  I8  two regions or objects do not share a slot
 *  I9  the count of a chunk is the number of its slots that are not UNKNOWN
 *  I10 a region maps an object if and only if its memtype says so; the object
 *      is in use, of that memtype and the space's user, and has the pages
 *  I11 an object is referenced by the regions that map it and by being kept,
 *      once each; one that has no reference is free, one that has a name or is
 *      cached is kept
 *  I12 a region whose memtype has no own pages uses none of its slots; an
 *      object's page is never protected without a copy (no fork divides it)
 *  I13 a name can be printed, is all zeros behind its end, and is its user's
 *      only one of its kind (object or snapshot)
 *  I14 an object's source is of a kind that its memtype allows; a snapshot that
 *      is one has the range in one region, and belongs to the same user
 *  I15 the count of sources of a space is the number of objects that come from
 *      it; only snapshots have any
 *  I16 a snapshot has a name or is a source; other spaces have no name; what a
 *      fork does not freeze is in no snapshot
 *  I17 what clones of a region of a snapshot map is an object of all of it
 *  I18 cached objects are found by their identity; those without a user, and no
 *      other, are in the list of unused ones
 */
#ifndef CHECK_H
#define CHECK_H

struct vm;

/*
 * vm_check: walk everything and hold it against the invariants
 *
 * => calls report() with one line for each problem; returns their number
 */
int vm_check(const struct vm *, void (*report)(void *ctx, const char *line),
    void *ctx);

#endif
