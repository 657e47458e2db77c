/*
 * state.h: what the fault plane's files share: the pager and its clients
 *
 * => fault thread; nothing here is seen outside src/fault
 */
#ifndef STATE_H
#define STATE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "contents.h"
#include "hist.h"
#include "images.h"
#include "loose.h"
#include "memtype.h"
#include "pager.h"
#include "pagerd/protocol.h"
#include "parcel.h"
#include "place.h"
#include "stores.h"
#include "vm.h"

#define FILL_PAGES 32u /* pages installed by one call, at most */

/*
 * Positive outcome of reading contents: it takes time.  Whoever waits for them
 * asks again when something has been read (clients_ask_again()).
 */
#define LOAD_WAIT 1

enum counter {
#define COUNTER(name, unit, help) C_##name,
#include "counters.h"
#undef COUNTER
	COUNTERS
};

/* A fault that was read and is not resolved yet; from the pager's pool. */
struct fault {
	TAILQ_ENTRY(fault) entry;
	uint64_t addr;     /* bytes, page aligned */
	uint64_t asked_ns; /* it came then, as far as we can see, or later */
	uint64_t read_ns;
	uint64_t work_ns; /* that trying to resolve it took so far */
	uint32_t tid;     /* of the thread, as its process sees it; 0 */
	enum access access;
	uint32_t window; /* pages to fill from addr on; 0: not known yet */
	bool throttled;  /* counted as such already */
};
TAILQ_HEAD(fault_list, fault);

/*
 * A batch of pages on their way out of a client (evict.c); from then on they
 * are in its parcel
 *
 *	IDLE --MOVE--> MOVING --MOVED--> IDLE <--------+
 *	  |               |                            |
 *	  |               +-- shared --> UNSHARING ----+
 *	  +---EMPTY----> EMPTYING --DONE--> IDLE
 *	  +---HOLD-----> HOLDING ---DONE--> IDLE
 *	  |
 *	  +-> KEEPING --stored, DROP--> DROPPING --DONE, and looked--> IDLE
 */
enum batch_state {
	BATCH_IDLE,
	BATCH_MOVING,    /* the agent captures; no event is read meanwhile */
	BATCH_EMPTYING,  /* the agent drops what staging holds */
	BATCH_UNSHARING, /* the agent makes fork-shared pages its own */
	BATCH_HOLDING,   /* the agent forks a holder (hold.c) */
	BATCH_KEEPING,  /* copies are stored of what will be dropped (drop.c) */
	BATCH_DROPPING, /* the agent drops pages that have copies */
};

struct batch {
	enum batch_state state;
	uint32_t seq;
	uint32_t npages;
	/* MOVING, KEEPING: what goes into it, or is; then until it is stored */
	struct parcel *parcel;
	bool dirty;      /* something else has filled staging: empty it first */
	uint32_t staged; /* pages in the client's staging area */
	uint64_t sent_us;
	/* Mappings were changing, nothing could be captured: not before, and
	 * for how long one waited so far. */
	uint64_t again_us, again_gap_us;
	bool given_up; /* at a stop: asked nothing more, answers are late */
	uint64_t addr[BATCH_PAGES];
	bool copied[BATCH_PAGES]; /* KEEPING: it had no copy before */
	bool answered;            /* DROPPING: what is gone? */
	bool unshared;            /* MOVING: what was busy before */
	uint32_t nshared;         /* runs that MOVE refused as busy */
	uint64_t shared[BATCH_PAGES];
};

struct follow {          /* follow.c */
	uint32_t tid;    /* of the last fault */
	uint32_t alone;  /* faults of that thread in a row */
	uint32_t close;  /* faults that came closely, in a row */
	uint32_t gap_us; /* from a wake-up to the next fault, on average */
	uint32_t checked;
	bool known;         /* its threads' numbers are ours, too */
	bool joined;        /* it is in the list of those together with us */
	struct place agent; /* joined: its agent is on our CPU */
	bool together;      /* on our CPU; in this phase */
	bool trial;         /* this phase is one */
	bool loose;         /* it was not held when it was woken last */
	/* Hold it so many times more; for how many when it strayed last. */
	uint32_t holds, patience;
	uint32_t warm;     /* so many more do not count yet */
	uint32_t faults;   /* of this phase */
	uint32_t stay;     /* the phase between trials: so many faults */
	uint32_t cost;     /* of that before the trial; us / 16 a fault */
	uint64_t begun_us; /* this phase */
	uint64_t done_us;
};

TAILQ_HEAD(client_list, client);

struct together {                   /* follow.c */
	struct client_list clients; /* joined; who has faulted last is last */
	struct place_own own;
};

struct client { /* one for each space, by its index */
	struct space *space;
	int uffd;
	pid_t agent; /* its thread, as it says itself */
	/* -1 while there is no agent: */
	int sock, mem, pagemap, maps;
	struct gauge *gauge;
	struct fault_list faults;
	struct batch batch;
	struct follow follow;
	TAILQ_ENTRY(client) busy;     /* in pager->busy */
	TAILQ_ENTRY(client) together; /* in pager->together.clients */
	bool is_busy;
	bool unread;       /* its userfaultfd may have more */
	bool unverified;   /* a check waits for its agent's next pause */
	bool waited_for;   /* something else wants its agent's next pause */
	bool protect;      /* it forked: its pages are to be protected */
	bool relatives;    /* it forked, or is a fork: pages may be shared */
	uint64_t asked_ns; /* what is read next came then, or later */
	uint64_t read_ns;  /* when it was read last */
	uint64_t retry_us; /* faults wait: when to look again */
	uint64_t probe_us; /* no agent: when to see if it lives */
	uint64_t probe_gap_us;
	struct mail_hold *hold; /* wanted, or under way */
	bool hold_sent;         /* under way: its DONE is to come */
	uint64_t hold_until_us;
	struct mail_adopt *adopt; /* being worked on */
	size_t adopt_next;
	struct loose loose;
	uint64_t arena_start, arena_end; /* libpagerd's: not adopted */
	bool depends; /* its agent knows that it cannot go on without us */
	uint64_t faults_total, evicted, refaults, zero_fills;
};

struct budget { /* one for each group, by its index */
	struct gauge gauge;
	uint64_t staged;         /* pages captured, still in staging areas */
	uint64_t peak;           /* pages */
	uint64_t stuck_us;       /* nothing could be evicted: not before then */
	uint64_t stuck_gap_us;   /* doubled each time, 0 after a success */
	uint64_t stuck_installs; /* pages that came since */
	uint64_t futile;         /* pages tried since one could be captured */
	uint64_t over_events;
	uint64_t faults, evicted, refaults, wait_us;
	uint64_t put_pages, put_bytes; /* that left for the store, ever */
	bool evicting, over;
	bool objects_first;
	struct mail_reclaim *reclaim;
	uint64_t reclaim_goal; /* evicted, when it is done; pages */
};

#define OUTBOX_SIZE (1u << 18) /* a power of two */

struct outbox { /* outbox.c */
	struct outbox_item {
		int kind; /* enum notice_kind */
		uint32_t group;
		uint64_t space;
		struct gauge *gauge;
	} * items;
	uint32_t head, tail;
};

#define RECENT_FILLS 64u

struct recent_fill { /* objects.c: whoever waits for it has to get at it */
	uint32_t object;
	uint64_t page, until_us;
};

struct pager {
	struct vm vm;
	struct planes *planes;
	struct stores stores;
	struct contents contents; /* of STORED blocks, if config.dedup */
	struct pager_host host;
	struct client *clients; /* by space index */
	struct budget *budgets; /* by group index */
	struct gauge *gauges;   /* by space index */
	struct client_list busy;
	struct client *busy_next;     /* pager_tick() goes on there */
	struct fault_list fault_pool; /* used before, and free */
	struct fault *fault_memory;
	uint32_t faults_high, faults_used; /* of fault_memory; now */
	struct pager_config config;
	struct parcels parcels;
	uint8_t *fill;  /* FILL_PAGES pages */
	uint8_t *zeros; /* FILL_PAGES pages */
	struct outbox outbox;
	struct together together;
	int *frames;          /* memfds of objects, by index; 0: none */
	struct image *images; /* where objects come from, by index */
	struct images reads;  /* of them */
	struct recent_fill recent[RECENT_FILLS];
	uint32_t next_recent;
	struct mail *requests; /* of libpagerd, that wait for an agent */
	struct mail_stop *stop;
	bool homing; /* a stop was begun, perhaps in vain: frames stay */
	struct mail *checks;     /* verify.c: the first is under way */
	uint64_t check_until_us; /* when it no longer waits; 0: not begun */
	uint32_t moving;         /* pages that agents are capturing */
	uint64_t looked_ns;      /* for reports, last */
	uint64_t asked_ns; /* what was reported then came then, or later */
	struct hist service, wait; /* of resolved faults, in ns: fault.c */
	uint64_t counters[COUNTERS];
};

static inline uint64_t
now_ns(const struct pager *p)
{
	return p->host.now_ns(p->host.ctx);
}

static inline uint64_t
now_us(const struct pager *p)
{
	return now_ns(p) / 1000;
}

static inline void
count(struct pager *p, enum counter c, uint64_t n)
{
	p->counters[c] += n;
}

static inline uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline struct client *
client_of(struct pager *p, const struct space *sp)
{
	return &p->clients[sp->index];
}

static inline bool
client_has_agent(const struct client *c)
{
	return c->sock >= 0;
}

/* Its agent takes pages away: what is mapped there must not change. */
static inline bool
client_is_taken_from(const struct client *c)
{
	return c->batch.state == BATCH_MOVING ||
	       c->batch.state == BATCH_DROPPING;
}

static inline struct budget *
budget_of(struct pager *p, const struct group *g)
{
	return &p->budgets[g->index];
}

#endif
