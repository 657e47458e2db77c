/*
 * imagefiles.h: files that programs map, and reads of them that take their time
 *
 * A read is carried out some steps after it was asked for, in any order, and
 * may bring less than was asked for, an error, or nothing where the file has
 * become shorter meanwhile.
 */
#ifndef IMAGEFILES_H
#define IMAGEFILES_H

#include <stdbool.h>
#include <stdint.h>

#include "sim.h"

struct mail_file;
struct opage;
struct pager_host;
struct proc;

struct simfile {
	uint32_t id, number; /* what it is called, and which of that name */
	uint32_t npages, bytes;
	uint8_t *data;
	struct opage **mem; /* the same, for the oracle */
	bool *bad;          /* by page: reads of it fail, once they have */
	uint32_t cut;       /* pages that are left */
	bool hangs;
};

struct images_counts {
	uint64_t replaced, reads, partial, errors, again, ends, cuts, hung;
	uint64_t bus;
};
extern struct images_counts images_counts;

/* => how the pager reads and closes files */
void images_host(struct pager_host *);
/* => one that a program may map; a descriptor of it for the daemon */
struct simfile *images_pick(void);
void images_describe(struct simfile *, struct mail_file *);
const uint8_t *images_page(const struct simfile *, uint32_t page);
/* => what the oracle has of it; NULL: zeros */
const struct opage *images_memory(const struct simfile *, uint32_t page);
/* => SIGBUS is right: the page is as in the file, which cannot be read */
bool images_may_fail(const struct proc *, uint32_t pg);
/* => a read ends; false: none can */
bool images_step(void);
/* => something happens to a file */
bool images_damage(void);
/* => reads of some do not end any more */
void images_hang(void);
void images_reset(void); /* a new world; all reads end before */

#endif
