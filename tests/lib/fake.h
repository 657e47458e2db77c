/*
 * fake.h: a daemon for libpagerd's tests
 *
 * A thread that answers sessions as protocol.h says, with a model just good
 * enough for it, and lies or fails where it is told to.  It has no userfaultfd:
 * memory is the kernel's, and what is unmapped it has to be told of
 * (fake_unmapped()).
 */
#ifndef FAKE_H
#define FAKE_H

#include <pagerd.h>
#include <pagerd/protocol.h>
#include <pthread.h>
#include <stdbool.h>

#define FAKE_SESSIONS 16
#define FAKE_REGIONS 32
#define FAKE_OBJECTS 8
#define FAKE_PIECES 4
#define FAKE_LOG 256
#define FAKE_WELCOME 0 /* stands for an op, where it lies */

enum fake_lie {
	LIE_NONE,
	LIE_FAIL, /* no lie: the result is fail_with */
	LIE_VERSION,
	LIE_TYPE,
	LIE_SIZE,
	LIE_SHORT,
	LIE_TINY,
	LIE_LONG,
	LIE_HANG_UP,
	LIE_REFUSED,
	LIE_POSITIVE,
	LIE_NO_ERRNO,
	LIE_ERROR_WITH_FD,
	LIE_NO_FD,
	LIE_ONE_MORE_FD,
	LIE_MANY_FDS,
	LIE_BAD_FD, /* one that cannot be mapped */
	LIE_BELOW,
	LIE_ABOVE,
	LIE_OVER_THE_END,
	LIE_WRAPS,
	LIE_UNALIGNED,
	LIE_ELSEWHERE, /* in the arena, but not what was asked */
	LIE_LONGER,
	LIE_EMPTY,
	LIE_OFFSET,
	LIE_MEMTYPE,
	LIES,
};

struct fake_region {
	uint64_t addr, len, offset;
	const char *memtype;
	bool readonly, armed;
	unsigned int object; /* of shared memory, and clones */
};

/* Shared memory, or a snapshot. */
struct fake_object {
	char name[PAGERD_NAME_BYTES];
	bool snapshot;
	int fd;
	struct fake_region pieces[FAKE_PIECES]; /* of a snapshot */
	unsigned int npieces;
};

struct fake {
	char dir[64], path[80];
	int listen_fd, wake[2];
	int null_fd, foreign_fd; /* the second cannot be mapped */
	int file_fd; /* came with the request that is served, or -1 */
	pthread_t thread;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	int sessions[FAKE_SESSIONS];
	unsigned int nsessions;
	struct fake_region regions[FAKE_REGIONS];
	unsigned int nregions;
	struct fake_object objects[FAKE_OBJECTS];
	unsigned int nobjects;
	struct pagerd_msg_request log[FAKE_LOG];
	unsigned int nlog;
	uint64_t next; /* where there is room */

	enum fake_lie lie;
	uint32_t lie_op;
	unsigned int lie_after; /* so many of that op are answered truly */
	int fail_with;
	uint32_t held_op; /* is not answered until it is let go; 0: none */
	bool holding;
	bool failed;
};

/* => -1: it could not */
int fake_start(struct fake *);
/* => what it has, and knows, is gone; -1: it met what it did not expect */
int fake_stop(struct fake *);

/* The one lie, or failure, that comes next; forgotten once it was told. */
void fake_lies(struct fake *, enum fake_lie, uint32_t op, unsigned int after);
void fake_fails(struct fake *, int error, uint32_t op, unsigned int after);
void fake_unmapped(struct fake *, uint64_t addr, uint64_t len);
/* => a snapshot with one more region */
void fake_snapshot(struct fake *, const char *name, uint64_t addr, uint64_t len,
    uint64_t offset, bool readonly);

void fake_hold(struct fake *, uint32_t op);
void fake_wait_held(struct fake *);
void fake_let_go(struct fake *);

/* How many requests of that op have come? */
unsigned int fake_count(struct fake *, uint32_t op);
/* The last of that op; op 0 when there is none. */
struct pagerd_msg_request fake_last(struct fake *, uint32_t op);
unsigned int fake_nregions(struct fake *);
bool fake_all_armed(struct fake *);

#endif
