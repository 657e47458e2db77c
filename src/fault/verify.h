/*
 * verify.h: the model against the clients' page tables
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdint.h>

struct mail_check;
struct pager;

/* => no client is evicted from until it has been looked at */
void verify_begin(struct pager *, struct mail_check *);
/* => looks at who has no agent at work; returns when to call again */
uint64_t verify_step(struct pager *);

#endif
