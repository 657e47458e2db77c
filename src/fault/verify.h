/*
 * verify.h: the model against the clients' page tables
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <stdint.h>

struct mail_check;
struct pager;

/* => nothing is evicted until the check was answered */
void verify_begin(struct pager *, struct mail_check *);
/* => does it when no agent is at work; returns when to call again */
uint64_t verify_step(struct pager *);

#endif
