/*
 * planes.h: what the control plane and the fault plane say to each other
 *
 *	control thread			fault thread
 *	   | -- struct mail (request) ---> |   to_fault
 *	   | <-- the same, answered ------ |   to_control
 *	   | <-- struct notice ----------- |   to_control
 *	   |                               |
 *	   | -- struct gauge (atomics) --> |   read at every decision
 *
 * A request is owned by the fault plane from planes_ask() until its done()
 * runs, on the control thread.  Out-members are valid only if result is 0 or
 * as the request says.  The two threads share nothing else.
 *
 * Units: bytes where a name says bytes, pages (4096 bytes) where it says
 * pages, microseconds where it ends in _us.
 */
#ifndef PLANES_H
#define PLANES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hist.h"
#include "pagerd/protocol.h"
#include "size.h"

#define GROUP_NAME_MAX 64

/*
 * Memory of a space that the model does not see: what the kernel counts as
 * its anonymous memory, less what the model counts as resident.  Written by
 * the control plane's watch, read by the fault plane; any thread: atomic.
 */
struct gauge {
	/* Captured ones too, until staging is empty.  Written by the fault
	 * thread. */
	_Atomic int64_t model_pages;
	/*
	 * Written by the watch; the fault thread takes off what it adopts, and
	 * what has gone with its space.  May be < 0.
	 */
	_Atomic int64_t foreign_pages;
	/*
	 * Of a space: odd while its agent empties its staging area, when the
	 * kernel's count and model_pages do not match.  Written by the fault
	 * thread.
	 */
	_Atomic uint32_t emptying;
	/*
	 * Of a group: pages that two processes shared when the watch last
	 * read their shares, and that have become two since.  Added to by the
	 * fault thread, taken from by the watch.
	 */
	_Atomic int64_t parted_pages;
	/*
	 * Of a group: by how much foreign memory may grow before the next
	 * look at it, as fast as it grew of late.  Written by the watch.
	 */
	_Atomic int64_t growth_pages;
	/*
	 * Of a group: counted up before pages pass from foreign to model, and
	 * again when they have, so that they are not found in both, or in
	 * none.  Written by the fault thread.
	 */
	_Atomic uint32_t adoptions;
};

enum mail_op {
	MAIL_GROUP_NEW,
	MAIL_GROUP_LIMIT,
	MAIL_GROUP_CLOSE,
	MAIL_ATTACH,
	MAIL_ADOPT,
	MAIL_RECLAIM,
	MAIL_HOLD,
	MAIL_LIBRARY,
	MAIL_SNAPSHOT,
	MAIL_FORGET,
	MAIL_UNLINK,
	MAIL_GROUPS,
	MAIL_SPACES,
	MAIL_OBJECTS,
	MAIL_REGIONS,
	MAIL_USAGE,
	MAIL_MAP,
	MAIL_STATS,
	MAIL_STORES,
	MAIL_DRAIN,
	MAIL_CHECK,
	MAIL_STOP,
};

struct mail {
	enum mail_op op;
	int result;                  /* 0 or -errno */
	void (*done)(struct mail *); /* control thread */
	void *ctx;                   /* the asker's */
	struct mail *next; /* the fault plane's, while it has the mail */
};

struct mail_group_new {
	struct mail m;
	uid_t uid;            /* owner */
	uint64_t limit_bytes; /* 0: none */
	uint32_t stack; /* of stores, as they were given to plane_start() */
	char name[GROUP_NAME_MAX];
	uint8_t token[TOKEN_BYTES];
	uint32_t id;         /* out */
	struct gauge *gauge; /* out: sum over the group's spaces */
};

struct mail_group_limit {
	struct mail m;
	uint32_t id;
	uint64_t limit_bytes;
};

/* Forget the group; -EBUSY while it has spaces. */
struct mail_group_close {
	struct mail m;
	uint32_t id;
};

struct mail_range {
	uint64_t start, end; /* bytes, page aligned */
};

/*
 * A client's HELLO, checked for size and number of descriptors.  On success
 * the fault plane owns sock, uffd_main, mem, pagemap and maps, and has sent
 * READY; on failure nothing is taken over, and reason is filled.
 *
 * ATTACH_LOOK: nothing has been done.  The child has inherited memory that is
 * managed: ask again, with what its smaps say of wiped mappings.  Most children
 * have none, and their smaps need not be read while they wait.
 */
#define ATTACH_LOOK 1

struct mail_attach {
	struct mail m;
	uint32_t group; /* EXEC */
	pid_t pid;      /* from SO_PEERCRED */
	pid_t agent;    /* its thread, as it says itself */
	uid_t uid;
	bool fork;   /* HELLO was PAGERD_HELLO_FORK */
	bool looked; /* FORK: wiped is filled */
	/*
	 * FORK: mappings that a fork leaves empty (MADV_WIPEONFORK); the
	 * asker's, until done.
	 */
	const struct mail_range *wiped;
	size_t nwiped;
	uint64_t fork_space;             /* FORK */
	uint8_t fork_token[TOKEN_BYTES]; /* FORK */
	uint64_t area_start, area_len, stage_start, anchor_start;
	int sock, uffd_main; /* EXEC, else -1 */
	int mem, pagemap, maps;
	uint64_t space;      /* out: id */
	uint32_t group_out;  /* out: group it belongs to */
	struct gauge *gauge; /* out */
	char reason[120];    /* out, on failure: for REFUSED */
};

/*
 * Register these ranges (anonymous private writable mappings, as read from
 * the client's smaps).  The fault plane looks again before it believes them.
 */
struct mail_adopt {
	struct mail m;
	uint64_t space;
	size_t nranges;
	const struct mail_range *ranges; /* the asker's, until done */
	size_t nadopted;                 /* out */
	uint64_t adopted_pages;          /* out */
};

struct mail_reclaim {
	struct mail m;
	uint32_t group;
	uint64_t bytes;     /* to push out now, whatever the limit */
	uint64_t bytes_out; /* out: pushed out */
};

/*
 * The client forks a holder (protocol.h).  The descriptors stay the asker's.
 * -ESRCH, -EOPNOTSUPP (it has no agent), -EBUSY (another one is under way),
 * or what the agent's fork failed with.
 */
struct mail_hold {
	struct mail m;
	uint64_t space;
	int sock; /* the holder's end of its connection */
};

/*
 * A file that images come from, and what says that it is still the same.  The
 * asker has looked: it is a regular file or a block device, open for reading.
 */
struct mail_file {
	int fd; /* the fault plane's from planes_ask() on; -1: none */
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
	/*
	 * Nobody can have written to it since without its times telling: what
	 * else has all of the above is the same.
	 */
	bool settled;
};

/*
 * What a session of libpagerd asks for: protocol.h's REQUEST and REPLY.  The
 * asker has looked at the request's size and made name end; the fault plane
 * looks at all else.  SNAPSHOT and DROP are the control plane's.
 */
struct mail_library {
	struct mail m;
	uint64_t space;
	uint64_t snapshot;     /* CLONE: space id of what the name means */
	struct mail_file file; /* MAP_FILE */
	struct pagerd_msg_request request;
	struct pagerd_msg_reply reply; /* out: all but its header */
	int fd; /* out: to send with it, then the asker's to close; or -1 */
};

/*
 * A holder is a snapshot from now on: clones can come from it.
 * MAIL_FORGET: nobody can ask for it any more; it is gone when its last clone
 * is, or at once.  -ESRCH: there is no such space.
 */
struct mail_snapshot {
	struct mail m;
	uint64_t space;
};

/*
 * Named memory gives its name up, and is gone when no region maps it any
 * longer.  -ENOENT: there is none of that name.
 */
struct mail_unlink {
	struct mail m;
	uid_t uid;
	bool any; /* if uid has none of that name, another user's */
	char name[PAGERD_NAME_BYTES];
};

struct group_info {
	uint32_t id;
	uid_t uid;
	char name[GROUP_NAME_MAX];
	uint64_t limit_bytes;
	uint64_t usage_bytes; /* model + foreign: counts against the limit */
	uint64_t peak_bytes;  /* greatest usage seen by the fault plane */
	uint64_t resident_bytes, out_bytes; /* adopted memory */
	uint64_t stored_bytes; /* what out_bytes take in the store, estimate */
	uint64_t put_pages;    /* put into the store since it was made */
	uint64_t put_bytes;    /* what they took there, then */
	uint64_t faults, evicted_pages, refault_pages;
	uint64_t wait_us; /* sum of the time faults waited in the daemon */
	uint32_t nspaces;
	bool over; /* over its limit and unable to evict now */
	uint64_t over_events;
};

struct space_info {
	uint64_t id;
	uint32_t group;
	pid_t pid; /* 0: a child made by a raw clone, unknown */
	uid_t uid;
	bool agent; /* it can be evicted from */
	uint32_t nregions;
	uint64_t resident_bytes, out_bytes, clean_bytes;
	int64_t foreign_bytes;
	uint64_t faults, evicted_pages, refault_pages, zero_fills;
};

/* Memory that has a name: it stays when no program maps it. */
struct object_info {
	uint64_t id;
	uid_t uid;
	char name[PAGERD_NAME_BYTES];
	uint64_t bytes, resident_bytes, out_bytes;
	uint32_t users; /* regions that map it */
};

/* What pages cost, and what of them they share: vm/usage.h. */
struct usage_info {
	uint64_t resident_bytes, out_bytes;
	uint64_t clean_bytes;  /* resident, with a stored copy kept */
	uint64_t total_bytes;  /* resident and out */
	uint64_t common_bytes; /* contents that another page has too */
	uint64_t shared_bytes; /* of these, those in shared memory objects */
	/* A page that is out counts for its part, a resident one whole. */
	uint64_t proportional_bytes;
	uint64_t stored_bytes; /* in the store, likewise; an estimate */
};

struct region_info {
	uint64_t id;
	uint64_t start, end; /* bytes */
	char memtype[16];
	uint64_t from; /* where the pages begin that usage is of; bytes */
	struct usage_info usage;
	bool evictable;
};

/* Arrays are the asker's; n is filled, more says that max was too small. */
struct mail_groups {
	struct mail m;
	struct group_info *groups;
	size_t max, n;
	bool more;
};

struct mail_spaces {
	struct mail m;
	struct space_info *spaces;
	size_t max, n;
	bool more;
};

struct mail_objects { /* all that have a name */
	struct mail m;
	struct object_info *objects;
	size_t max, n;
	bool more;
};

/*
 * A slice of a space's regions: as much as the fault plane looks at in one go.
 * Of the last one that may be its first pages; then it comes again in the next
 * slice, with the usage of the pages that follow.
 */
struct mail_regions { /* -ESRCH: no such space */
	struct mail m;
	uint64_t space;
	uint64_t from; /* cursor, in and out: where to go on */
	struct region_info *regions;
	size_t max, n; /* max: at least 1 */
	bool more;
};

/*
 * A slice of what the pages of a space cost, or of all spaces.  Asked until
 * there is no more, usage is the sum; it is of no one moment.
 */
struct mail_usage { /* -ESRCH: no such space */
	struct mail m;
	uint64_t space;          /* 0: all */
	uint64_t at, from;       /* cursor, the fault plane's; 0 at first */
	struct usage_info usage; /* out: added to */
	bool more;
};

#define MAP_PAGE_BYTES UINT64_C(4096)

/* Pages next to each other that are in the same state. */
struct page_run {
	uint64_t npages;
	unsigned int state; /* of tbl/states.h, by its place there */
};

struct region_runs {
	uint64_t id;
	uint64_t start, end; /* bytes */
	char memtype[16];
	uint64_t resident_bytes, out_bytes, clean_bytes;
	uint64_t from; /* where its runs begin; bytes */
	size_t nruns;  /* the next ones of the mail's runs */
};

/*
 * A slice of what a space's pages are: as much as the fault plane looks at in
 * one go, so that it may end in the middle of a region.
 */
struct mail_map { /* -ESRCH: no such space */
	struct mail m;
	uint64_t space;
	uint64_t from; /* cursor, in and out: where to go on */
	struct region_runs *regions;
	struct page_run *runs;
	size_t max_regions, max_runs; /* at least 1 */
	size_t nregions, nruns;
	bool more;
};

/* Counters are those of tbl/counters.h, in its order. */
struct mail_stats {
	struct mail m;
	uint64_t *counters;
	size_t ncounters;
	struct hist service, wait; /* ns; as in tbl/latencies.h */
	struct {
		char name[16];
		uint64_t pages, same_filled, incompressible;
		uint64_t saved_pages; /* by sharing */
		uint64_t stored_bytes, used_bytes, capacity_bytes;
	} store;
	uint64_t metadata_bytes;
};

struct store_info {
	uint32_t stack, tier;
	char kind[16];
	bool draining, failing;
	uint64_t pages, same_filled, incompressible;
	uint64_t stored_bytes, used_bytes, capacity_bytes;
	uint64_t stores, loads, errors; /* pages */
	uint64_t demoted, promoted;     /* pages that went down, and up */
	/* Of its device, see backend.h. */
	uint64_t reads, read_bytes, writes, written_bytes, retries, moved;
	struct hist read_ns, write_ns;
};

struct mail_stores {
	struct mail m;
	struct store_info *stores;
	uint32_t max;
	uint32_t n; /* out: that there are */
};

/*
 * A store gives all that it has to the others of its stack, or stops that.
 * -ENOENT: no such store; -EBUSY: no other one would take it.
 */
struct mail_drain {
	struct mail m;
	uint32_t stack, tier;
	bool on;
};

/*
 * Every invariant of the model, and the model against the client's pagemap.
 * result is 0 also when problems were found.
 */
struct mail_check {
	struct mail m;
	uint64_t space;           /* 0: all */
	uint64_t nspaces, npages; /* out: looked at */
	uint64_t nproblems;       /* out */
	char problems[8][160];    /* out: the first of them, one line each */
};

/*
 * Bring every page home and let the clients go; answered when that is done.
 * result -ENOMEM: some pages could not be brought home.
 */
struct mail_stop {
	struct mail m;
	uint64_t home_pages, lost_pages; /* out */
	uint32_t nlost_spaces;
};

enum notice_kind {
	NOTICE_SPACE_NEW, /* a forked child, before or without its agent */
	NOTICE_SPACE_GONE,
	NOTICE_OVER, /* group: over its limit, nothing can be evicted */
	NOTICE_STORE_FULL,
	NOTICE_CLIENT_DROPPED, /* space: broke the protocol; text says how */
	NOTICE_UNREADABLE,     /* space, addr: a page was poisoned */
	NOTICE_SCAN,           /* space: a new mapping wants adoption */
	NOTICE_STORE_FAILING,  /* stack, tier: as in struct store_info */
	NOTICE_STORE_WELL,     /* stack, tier: it was failing, and is not */
};

/* Owned by the fault plane; free again when control has dispatched it. */
struct notice {
	_Atomic bool busy;
	enum notice_kind kind;
	uint32_t group;
	uint64_t space;
	uint64_t addr;
	uint32_t stack, tier;
	struct gauge *gauge; /* SPACE_NEW */
	char text[96];
};

struct planes;

int planes_new(struct planes **);    /* 0 or -errno */
void planes_delete(struct planes *); /* accepts NULL; both threads ended */

/* Control thread. */
int planes_ask(struct planes *, struct mail *); /* 0 or -ENOBUFS */
int planes_control_fd(const struct planes *);   /* readable: dispatch */
/* => calls done() of answered requests, and notice() for each notice */
void planes_control_dispatch(struct planes *,
    void (*notice)(const struct notice *, void *ctx), void *ctx);
/* => wakes the fault plane to look at its gauges: a group nears its limit */
void planes_kick(struct planes *);

/* Fault thread. */
int planes_fault_fd(const struct planes *);
struct mail *planes_fault_receive(struct planes *); /* NULL: none */
void planes_fault_ack(struct planes *);
/* => behind the others that the fault plane has put off */
void mail_queue(struct mail **list, struct mail *);
void planes_answer(struct planes *, struct mail *, int result);
/* => NULL when all are busy: count and go on */
struct notice *planes_notice(struct planes *, enum notice_kind);
void planes_notify(struct planes *, struct notice *);

#endif
