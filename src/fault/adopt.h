/*
 * adopt.h: memory comes under management
 */
#ifndef ADOPT_H
#define ADOPT_H

#include <stddef.h>
#include <stdint.h>

struct client;
struct mail_adopt;
struct mail_range;
struct pager;

/* => the request is worked on by adopt_step(), answered when done */
void adopt_begin(struct pager *, struct client *, struct mail_adopt *);
/* => returns when to call again, now_us scale; UINT64_MAX: nothing to do */
uint64_t adopt_step(struct pager *, struct client *);

/*
 * adopt_inherited: a child's regions are its parent's; what madvise(2) has
 * kept from it is taken out: mappings that are empty, or not there
 *
 * => its /proc files are known
 */
void adopt_inherited(struct pager *, struct client *,
    const struct mail_range *wiped, size_t nwiped);

/*
 * adopt_around: a fault came from a registered mapping that the model does
 * not have: it has grown in place, or a registration is not in the model yet
 *
 * => 0; -EAGAIN; -ENOENT (it is gone again); -ESRCH
 */
int adopt_around(struct pager *, struct client *, uint64_t addr);

#endif
