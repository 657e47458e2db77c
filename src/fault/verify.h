/*
 * verify.h: the model against the clients' page tables
 */
#ifndef VERIFY_H
#define VERIFY_H

struct mail_check;
struct pager;

/* => nothing is evicted until the check was answered */
void verify_begin(struct pager *, struct mail_check *);
/* => does it when no agent is at work */
void verify_step(struct pager *);

#endif
