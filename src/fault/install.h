/*
 * install.h: make the client's page tables show what the model says
 *
 * Each call does one thing in the client and, if that worked, tells the
 * model.  Outcomes are the kernel's: 0, or
 *
 *	-EAGAIN	mappings are changing: later
 *	-ESRCH	the process is gone
 *	-ENOENT	nothing is registered there any more: nothing to do
 *	-ENOMEM	the machine has no memory for it: later
 */
#ifndef INSTALL_H
#define INSTALL_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct pager;
struct region;

/*
 * install_zero: pages [page, page + n) that were never touched: zeros
 *
 * => n <= FILL_PAGES; stops at the first page that is there already
 */
int install_zero(struct pager *, struct client *, struct region *,
    uint64_t page, uint32_t n);

/*
 * install_fill: pages [page, page + n) that are OUT come back
 *
 * => keep: read-only, their stored copies are kept; else writable
 * => n <= FILL_PAGES; stops at the first page that is there already
 * => -EIO: the first page cannot be read back; it is poisoned
 */
int install_fill(struct pager *, struct client *, struct region *,
    uint64_t page, uint32_t n, bool keep);

/* => the bytes of a block, in to; 0, -EIO or what the store says */
int install_load(struct pager *, uint32_t block, uint8_t *to);

/* => its user alone gets SIGBUS; errors as the others */
int install_poison(struct pager *, struct client *, const struct region *,
    uint64_t page);

/* => the page may be written; its stored copy is dropped */
int install_unprotect(struct pager *, struct client *, struct region *,
    uint64_t page);

/*
 * install_protect: a fork made its pages shared; each first write is to fault,
 * for it takes memory
 *
 * => c->protect is false when all regions are protected
 */
void install_protect(struct pager *, struct client *);

int install_anchor(struct pager *, struct client *);

#endif
