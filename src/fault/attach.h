/*
 * attach.h: a process that said HELLO becomes a client
 */
#ifndef ATTACH_H
#define ATTACH_H

struct mail_attach;
struct pager;

/* => 0; else -errno, m->reason says why, and nothing was taken over */
int attach(struct pager *, struct mail_attach *m);

#endif
