/*
 * objects.h: the frames of objects, and the pages that clients see of them
 *
 * An object's frames are the pages of a memfd.  A client maps it; a fault there
 * brings the page into the memfd, if it is not in it (PLAN_FILL_OBJECT), and
 * then into the client's page table (PLAN_CONTINUE).  A hole punched into the
 * memfd takes the frame from all of them at once.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "memtype.h"

struct client;
struct group;
struct object;
struct pager;
struct region;

/* => the object's memfd, made if need be; the pager's; or -errno */
int objects_fd(struct pager *, struct object *);
/* => vm.h's object_gone */
void objects_gone(struct pager *, uint32_t object);
void objects_close(struct pager *); /* all of them, at the end */

/*
 * objects_fill: brings the object's page that stands at page of r into memory,
 * and, read in order, those behind it
 *
 * => keep: its stored copy stays true until it is written
 * => 0; LOAD_WAIT (images.h); -EAGAIN: later; -EIO: nobody has its bytes (any
 *    longer); -ENOMEM
 */
int objects_fill(struct pager *, struct region *, uint64_t page, bool keep);
/*
 * objects_continue: r's client sees the object's frame, and, read in order,
 * frames behind it that he may see in the same way
 *
 * => plan: CONTINUE or CONTINUE_PROTECTED, for this access
 * => 0, -EAGAIN, -ENOENT, -ESRCH
 */
int objects_continue(struct pager *, struct client *, struct region *,
    uint64_t page, enum plan, enum access);
/* => a copy of the object's page is the client's own; errors of both */
int objects_copy(struct pager *, struct client *, struct region *,
    uint64_t page);

/* => it was filled a moment ago: whoever waits for it has to get at it first */
bool objects_recent(const struct pager *, const struct object *, uint64_t page);

/* => before the first objects_home() of a stop */
void objects_home_begin(struct pager *);

#define OBJECTS_READING 2

/*
 * objects_home: brings all pages of all objects into their memfds
 *
 * => so that clients can go on without us; 0: done; 1: call again;
 *    OBJECTS_READING: call again, when files have been read; -ENOMEM: for *lost
 *    pages there was no memory, or nobody has their bytes
 */
int objects_home(struct pager *, uint64_t *home, uint64_t *lost);

#endif
