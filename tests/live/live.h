/*
 * live.h: what the live tests' client programs share
 *
 * A client program computes something whose every byte it can foretell, and
 * says so on stdout.  The same program runs plain and under a budget; what it
 * prints must not differ.  It fails by live_die(), which names what it saw.
 *
 * Environment, set by the runner:
 *	TEST_SEED	seed of everything that looks random
 *	LIVE_LIMIT	budget in bytes; absent in a plain run
 *	LIVE_HOLD	path of a stream socket: live_hold() waits there
 */
#ifndef LIVE_H
#define LIVE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)
#define LIVE_WORDS (PAGE / sizeof(uint64_t))

/*
 * Pages that have tags.  The tags are the oracle: they live in a MAP_SHARED
 * mapping, which is never adopted.
 */
struct area {
	uint8_t *base;
	size_t npages;
	uint64_t *tags;
};

void live_die(const char *, ...) __attribute__((noreturn))
__attribute__((format(printf, 1, 2)));
/* Of a call whose result is -errno: none, or just this one. */
void live_must(int rc, const char *what);
void live_must_fail(int rc, int want, const char *what);
uint64_t live_seed(void);
uint64_t live_mix(uint64_t); /* a hash */
uint64_t live_rng(uint64_t *state);
uint64_t live_tag(uint64_t salt, uint64_t i); /* a tag, not 0 */
size_t live_mib(const char *text);            /* argument in MiB, as bytes */
size_t live_limit(void);                      /* 0: plain run */

/*
 * A page's content follows from its tag: tag 0 is a page of zeros; the others
 * are half compressible, some of one repeated word, some incompressible.
 */
void page_fill(void *page, uint64_t tag);
bool page_is(const void *page, uint64_t tag);
void page_expect(const void *page, uint64_t tag, const char *where);

void *live_map(size_t len); /* anonymous, private, writable */
void *live_map_shared(size_t len);
void area_new(struct area *, size_t npages);
/* => the same pages, with tags that only the copy's owner changes */
struct area area_copy(const struct area *);
void area_fill(struct area *, size_t from, size_t n, uint64_t salt);
void area_verify(const struct area *, size_t from, size_t n, const char *where);

/* Pages of [addr, addr+len) that are not in memory now. */
size_t live_out(const void *addr, size_t len);
/* The same through a pagemap file opened before. */
size_t live_out_fd(int pagemap, const void *addr, size_t len);
/*
 * live_push_out: make the pager take pages of [addr, addr+len)
 *
 * => in a managed run at least half of them are out afterwards, or the
 *    program ends with an error
 * => in a plain run nothing happens
 */
void live_push_out(const void *addr, size_t len);
void live_push_area(const struct area *);
/*
 * live_squeeze: fill as much memory as the budget has, and give it back
 *
 * => other memory has to go, though nobody says how much has gone
 */
void live_squeeze(void);

/* Tells the runner "name PID", and waits until it lets us go on. */
void live_hold(const char *name);
pid_t live_fork(void);                   /* not negative */
void live_wait(pid_t, const char *what); /* it must exit with 0 */
double live_now(void);                   /* seconds */

#endif
