/*
 * library.h: what libpagerd asks the fault plane for
 */
#ifndef LIBRARY_H
#define LIBRARY_H

#include <stdint.h>

struct mail;
struct mail_snapshot;
struct mail_unlink;
struct pager;

/*
 * library_begin: MAIL_LIBRARY and MAIL_SNAPSHOT
 *
 * => worked on by library_step(), when the client's agent is not moving pages:
 *    what it captures must find its region; and when mappings are not changing
 */
void library_begin(struct pager *, struct mail *);
/* => returns when to call again, now_us scale; UINT64_MAX: nothing to do */
uint64_t library_step(struct pager *);

/* => 0, -ESRCH */
int library_forget(struct pager *, struct mail_snapshot *);
/* => 0, -ENOENT */
int library_unlink(struct pager *, const struct mail_unlink *);

#endif
