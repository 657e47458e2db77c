/*
 * home.h: the way back: every page home, then the clients are let go
 */
#ifndef HOME_H
#define HOME_H

#include <stdint.h>

struct mail_stop;
struct pager;

void home_begin(struct pager *, struct mail_stop *);
/* => does a slice; returns when to call again; answers when all is done */
uint64_t home_step(struct pager *);

#endif
