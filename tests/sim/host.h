/*
 * host.h: the world around the pager: its descriptors, mails and clock
 *
 *	host.c		what plane.c does, and the mailboxes
 *	host-asks.c	the control plane: what it asks to be done
 *	host-reports.c	... and what it asks to be told, which has to agree
 *	host-model.c	the model itself: invariants, and that nothing is left
 *
 * One delivery at a time, and in any order.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel.h"
#include "pager.h"
#include "pagerd/protocol.h"
#include "store.h"

#define HOST_GROUPS 2

struct mail;

struct host {
	struct planes *planes;
	struct backend *stores[SIM_TIERS]; /* of one stack */
	uint32_t nstores;
	struct pager *pager;
	uint64_t due_us;  /* what pager_tick() returned */
	uint32_t waiting; /* mails sent and not received by the pager */
	uint32_t asked;   /* mails sent and not answered */
	uint32_t asked_of[MAIL_STOP + 1];
	bool stopping, stopped;
	bool edges; /* a descriptor is reported only when something new came */
	bool packs_late; /* the thread that packs hardly ever runs */
	uint32_t group[HOST_GROUPS];
	struct gauge *gauge[HOST_GROUPS];
	struct mail_check *check; /* the last one answered */
	uint64_t dropped;         /* notices */
	uint64_t stop_home, stop_lost;
};

extern struct host host;

struct host_counts {
	uint64_t deliveries, spurious, ticks, mails, attaches, refused, adopts;
	uint64_t checks, harmless, busy_groups, packs;
};
extern struct host_counts host_counts;

void host_open(const char *store);
void host_close(void); /* the pager has to have nothing left */

/* => one readable descriptor is reported; false: none is */
bool host_deliver(void);
void host_deliver_spurious(void);
bool host_due(void); /* the pager wants a tick now */
void host_tick(void);
bool host_pack(void);     /* => a step of the thread that packs; false: none */
bool host_receive(void);  /* => one mail goes to the pager; false: none */
void host_dispatch(void); /* answers and notices go to their askers */

/* => a mail is sent; what its answer does first */
void host_ask(struct mail *, enum mail_op, void (*done)(struct mail *));
void host_answered(const struct mail *);
void host_done_free(struct mail *); /* => an answer that says nothing */
void host_check_answered(void);

/* host-asks.c */
void host_make_groups(void); /* by host_open() */
void host_close_groups(void);
/* => a group that somebody is in cannot be closed */
void host_close_group_of(const struct proc *);
void host_attach(struct agent *, const struct pagerd_anchor *);
void host_adopt(struct proc *);
void host_reclaim(void);
void host_limit(void);
void host_drain(void);
void host_foreign(void); /* the gauges move */
void host_stop(void);
/* => the pager's counters are added to those of the runs before */
void host_stats(void);
uint64_t host_counter(const char *name); /* the sum so far */

/* host-reports.c */
void host_ask_something(void); /* answers are only looked at */
void host_check(void);

/* host-model.c */
/* => false: a page of managed memory that the model takes for untouched */
bool host_knows(uint64_t space, uint64_t addr);
/* => a page that nobody but the process of the space has */
bool host_is_only_copy(uint64_t space, uint64_t addr);
/* => what the pager keeps once every process is gone has to be nothing */
void host_check_empty(void);
void host_check_model(void);

#endif
