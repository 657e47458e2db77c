/*
 * outbox.h: what the control plane must hear of, in order
 *
 * The pool of notices is small, and the control plane may be slow for a
 * while; that a space came or went must not be lost.  Those wait here.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

struct pager;
struct space;

void outbox_space_new(struct pager *, const struct space *);
void outbox_space_gone(struct pager *, const struct space *);
/* => sends as many as there are free notices */
void outbox_flush(struct pager *);

#endif
