/*
 * oracle.h: what every page of every process must read
 *
 * Kept as plain bytes by the rules of the system calls, knowing nothing of
 * page tables or of pagerd.  Mostly there is one right content; after
 * MADV_FREE, and while MADV_DONTNEED is under way, there are several, and what
 * a program then sees narrows them down:
 *
 *	definite   --- FREE ------> lazy: any of the contents, or zero
 *	lazy       --- write -----> the contents and zero, each written to
 *	lazy       --- reads X ---> X or zero
 *	several    --- reads X ---> X
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opage;
struct proc;

/* => fails the run if the process may not see this */
void oracle_read(struct proc *, uint32_t pg, const uint8_t *data);
/* => true if it may; changes nothing */
bool oracle_allows(const struct proc *, uint32_t pg, const uint8_t *data);
void oracle_write(struct proc *, uint32_t pg, uint32_t off, const void *,
    size_t);
/* => what a page of a file is, for as long as there is the file */
struct opage *oracle_content(const uint8_t *data);
/* => pages of a file, which nobody maps any more */
void oracle_forget(struct opage **mem, uint32_t npages);
/* => gone, or new: they read zero */
void oracle_zero(struct proc *, uint32_t start, uint32_t end);
/*
 * The end of MADV_DONTNEED: zero; or, where somebody wrote meanwhile, zero
 * with that written to it, as if it had been thrown away just before.
 */
void oracle_drop(struct proc *, uint32_t start, uint32_t end);
void oracle_free(struct proc *, uint32_t start, uint32_t end);
/* => it was marked as lost, and is not any more: it may read zero, too */
void oracle_unmark(struct proc *, uint32_t pg);
void oracle_move(struct proc *, uint32_t from, uint32_t to, uint32_t n);
void oracle_fork(const struct proc *, struct proc *child, uint32_t start,
    uint32_t end);
/* => the page is that of a file, as all see it who share it */
void oracle_share(struct proc *, uint32_t pg, struct opage **mem);
/* => a copy of what each page is now, at its place; the caller's */
struct opage **oracle_keep(const struct proc *);
/* => the pages are as they were kept */
void oracle_clone(struct proc *, uint32_t start, uint32_t end,
    struct opage **mem);
/* => names the content's owner, through moves; 0: nothing written yet */
uint64_t oracle_page_id(const struct proc *, uint32_t pg);
/* => where it is now, or SIM_PAGES */
uint32_t oracle_page_find(const struct proc *, uint64_t id);
/* => all contents that a page may have, told one by one */
void oracle_describe(const struct proc *, uint32_t pg, const uint8_t *data);

/* => does pred say so of any content that the page may have? */
bool oracle_any(const struct proc *, uint32_t pg,
    bool (*pred)(const uint8_t *data));

extern uint64_t oracle_reads, oracle_choices;

#endif
