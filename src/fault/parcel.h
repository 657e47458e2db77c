/*
 * parcel.h: captured pages between a client and the store
 *
 *	FREE --batch sent--> FILLING --captured--> PACKING --> STORING --> FREE
 *
 * A parcel is what one batch captured.  The fault thread says what is in it;
 * another thread reads the bytes from the client's staging area, and packs them
 * (host.pack, then work.run() there, then pager_packed()); the fault thread
 * stores them in slices, by when it has little left to do.
 *
 * While blocks are STAGED their bytes are here, or in staging yet, and can be
 * loaded; a block that nobody names any more is taken out of its parcel.
 * Staging is not emptied, and no fork of the client is applied, before the
 * bytes are here (parcel_is_read, parcel_finish): then the client may go.
 *
 * What the store refuses goes back to the client.  A page that cannot (its
 * mapping moved, a fork shares it, the client is gone) waits here until the
 * store takes it.
 */
#ifndef PARCEL_H
#define PARCEL_H

#include <sys/queue.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pack.h"
#include "pagerd/protocol.h"
#include "work.h"

#define BATCH_PAGES PAGERD_STAGE_PAGES
#define PARCEL_CHUNK 16u /* pages that are read by one thread */
/* A new one is begun only while fewer are packed or stored. */
#define PARCELS_MOVING 8u

struct client;
struct contents;
struct group;
struct pager;

enum parcel_state {
	PARCEL_FREE,
	PARCEL_FILLING,
	PARCEL_PACKING, /* bytes, tag, packed and lost are not ours */
	PARCEL_STORING,
};

struct parcel {                    /* fault thread, but for packing */
	TAILQ_ENTRY(parcel) entry; /* FREE, STORING: in a list of parcels */
	struct work work;          /* PACKING: what the other thread does */
	enum parcel_state state;
	uint64_t space;               /* id, where it comes from */
	uint32_t uid;                 /* of that */
	struct group *group;          /* whose pages they were; NULL: gone */
	uint32_t stack;               /* of stores, where they go */
	const struct contents *index; /* its tags are wanted; or NULL */
	uint32_t npages, next;        /* STORING: first one not stored yet */
	uint64_t stage;               /* where page 0 is in staging */
	int mem, pagemap; /* owned: of the client; -1: the bytes are here */
	/* Chunks of PARCEL_CHUNK pages: taken by a reader, and read */
	_Atomic uint32_t taken, nread;
	_Atomic bool read[BATCH_PAGES / PARCEL_CHUNK];
	uint8_t *pages;              /* BATCH_PAGES of them */
	uint8_t *room;               /* for what is packed of them */
	uint64_t addr[BATCH_PAGES];  /* in its space */
	uint32_t block[BATCH_PAGES]; /* STAGED here; 0: nothing to store */
	bool full[BATCH_PAGES];      /* there is something to pack */
	bool lost[BATCH_PAGES];      /* it could not be read */
	struct packed packed[BATCH_PAGES];
	uint32_t tag[BATCH_PAGES]; /* for dedup; 0: none */
};

TAILQ_HEAD(parcel_list, parcel);

/*
 * Each client can have one FILLING for as long as it likes, for an agent that
 * is stopped does not answer; no memory is touched by that.
 */
struct parcels {
	struct parcel *all;
	uint8_t *pages, *room; /* of all */
	uint32_t max, high;    /* no parcel from high on was ever used */
	struct parcel_list unused, ready; /* FREE, STORING */
	uint32_t nmoving;                 /* PACKING, STORING */
	uint64_t
	    clear_us; /* give memory back then; UINT64_MAX: there is none */
};

/* => at most so many at a time; 0 or -ENOMEM */
int parcels_open(struct pager *, uint32_t max);
void parcels_close(struct pager *); /* nothing is PACKING */

/* => there may be another one */
bool parcels_left(const struct pager *);
/* => FILLING, and empty; NULL: enough are on their way */
struct parcel *parcel_new(struct pager *, const struct client *);
/* => where the bytes of page i are, or will be when they have been read */
uint8_t *parcel_page(const struct parcel *, uint32_t i);
/* => page i, which was at addr, is in; it is what block, STAGED, is */
void parcel_add(struct parcel *, uint32_t i, uint64_t addr, uint32_t block);
/* => where such a block is */
uint64_t parcel_where(const struct pager *, const struct parcel *, uint32_t i);
/*
 * parcel_send: filled: on its way; or false: nothing is in it, it is FREE
 *
 * => from: its bytes are in that client's staging area, page i at page i;
 *    NULL: they are here
 */
bool parcel_send(struct pager *, struct parcel *, const struct client *from);
/* => nothing of it is in staging any more */
bool parcel_is_read(const struct parcel *);
/* => so it is, at once: the rest is read here */
void parcel_finish(struct parcel *);
/* => a FILLING one will not be filled */
void parcel_free(struct pager *, struct parcel *);

/* => any thread, one at a time: reads what is not read, and packs it */
void parcel_pack(struct work *);
/* => the parcel that this is the work of */
struct parcel *parcel_of(struct work *);
/* => any thread, and several at a time: a step of that; false: all is read */
bool parcel_read(struct parcel *);
/* => it was */
void parcel_packed(struct pager *, struct parcel *);

/* => stores a slice; when to call again, now_us scale */
uint64_t parcels_step(struct pager *);
/* => pages are on their way, and the group's stores are not full */
bool parcels_moving(struct pager *, const struct group *);
void parcels_forget_group(struct pager *, const struct group *);

/* => the bytes of a STAGED block are here, its client may go */
bool parcel_has(const struct pager *, uint64_t where);
/* => the bytes of a STAGED block; 0 or -EIO */
int parcel_load(const struct pager *, uint64_t where, uint8_t *to);
/* => nobody names that STAGED block any more */
void parcel_unstage(struct pager *, uint64_t where);

#endif
