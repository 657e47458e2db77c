/*
 * protocol.h: what a client's shim and the daemon say to each other
 *
 * One SOCK_SEQPACKET connection for each client process.  Every packet is one
 * of the structs below: fixed width, host byte order, no pointers, starting
 * with struct pagerd_msg whose size is the size of the whole packet.  Every
 * type has an exact size and an exact number of file descriptors; a packet
 * that differs is refused and the connection is closed.
 *
 *	client				daemon
 *	   | ------- connect ------------> |
 *	   | <------ WELCOME (1 fd) ------ |  an open /dev/userfaultfd
 *	   | ------- HELLO (n fds) ------> |  userfaultfd, /proc/self files
 *	   |                               |  (before WELCOME has come, if the
 *	   |                               |  client may open the device itself)
 *	   | <------ READY | REFUSED ----- |  READY after a fork: 1 fd
 *	   |                               |
 *	   | <------ MOVE ---------------- |  capture pages into staging
 *	   | ------- MOVED --------------> |
 *	   | <------ EMPTY | UNSHARE ----- |
 *	   | ------- DONE ---------------> |
 *	   | <------ DROP ---------------- |  what MOVE does not take
 *	   | ------- DONE ---------------> |
 *	   | <------ HOLD (1 fd) --------- |  fork a holder, for a snapshot
 *	   | ------- DONE ---------------> |
 *	   | <------ RELEASE ------------- |  daemon holds nothing any more
 *
 * At most one of MOVE, EMPTY, UNSHARE, DROP and HOLD is outstanding.  When
 * the connection ends without RELEASE the agent ends the process if any of its
 * pages may be out (it has moved or dropped some, or READY said
 * PAGERD_READY_INHERITED): the process must never read zeros where its data
 * was.
 *
 * From the first request on the client registers new mappings of the program
 * with its main userfaultfd by itself (MISSING|WP), without a word: the daemon
 * learns of one by its first fault.
 *
 * A second connection of the same process is a session of libpagerd, which
 * maps memory of the daemon's.  It says REQUEST instead of HELLO, and gets a
 * REPLY to each; at most one is outstanding.  The process must be managed.
 *
 *	   | ------- connect ------------> |
 *	   | <------ WELCOME (1 fd) ------ |
 *	   | ------- REQUEST (0, 1 fd) --> |
 *	   | <------ REPLY (0 or 1 fd) --- |
 *
 * A region is made in two steps: MAP (or CLONE, EXTEND, MAP_FILE) makes it in
 * the model and says where and from which descriptor; the client maps it there;
 * ARM registers it.  Until then nobody may touch it, and the process may not
 * fork.  UNMAP takes back what could not be finished; of a region that is armed
 * the kernel tells when the client unmaps it.
 *
 * All addresses are virtual addresses of the client, in bytes; all counts of
 * pages are in units of PAGERD_PAGE_SIZE.
 */
#ifndef PAGERD_PROTOCOL_H
#define PAGERD_PROTOCOL_H

#include <stdint.h>

#define PAGERD_PROTOCOL_VERSION 3
#define PAGERD_PAGE_SIZE 4096u
#define PAGERD_STAGE_PAGES 256u /* pages in a client's staging area */
#define PAGERD_TOKEN_BYTES 16

/* The environment of a managed program. */
#define PAGERD_ENV_SOCKET "PAGERD_SOCKET" /* path of the client socket */
#define PAGERD_ENV_GROUP "PAGERD_GROUP"   /* group's token, 32 hex digits */

enum pagerd_msg_type {
	PAGERD_MSG_WELCOME = 1,
	PAGERD_MSG_HELLO = 2,
	PAGERD_MSG_READY = 3,
	PAGERD_MSG_REFUSED = 4,
	PAGERD_MSG_MOVE = 5,
	PAGERD_MSG_MOVED = 6,
	PAGERD_MSG_EMPTY = 7,
	PAGERD_MSG_UNSHARE = 8,
	PAGERD_MSG_DONE = 9,
	PAGERD_MSG_RELEASE = 10,
	PAGERD_MSG_HOLD = 11,
	PAGERD_MSG_REQUEST = 12,
	PAGERD_MSG_REPLY = 13,
	PAGERD_MSG_DEPEND = 14,
	PAGERD_MSG_DROP = 15,
};

struct pagerd_msg {
	uint16_t version; /* PAGERD_PROTOCOL_VERSION */
	uint16_t type;    /* enum pagerd_msg_type */
	uint32_t size;    /* of the whole packet, bytes */
};

/* daemon to client; fds: /dev/userfaultfd, opened for writing */
struct pagerd_msg_welcome {
	struct pagerd_msg hdr;
};

enum pagerd_hello_kind {
	PAGERD_HELLO_EXEC = 1, /* a program's first connection */
	PAGERD_HELLO_FORK = 2, /* a forked child that read its anchor */
	PAGERD_HELLO_HOLD = 3, /* a holder, over the socket of its HOLD */
};

/* Order of the descriptors that come with HELLO. */
enum pagerd_hello_fd {
	PAGERD_FD_MEM,     /* /proc/self/mem, read-only */
	PAGERD_FD_PAGEMAP, /* /proc/self/pagemap */
	PAGERD_FD_MAPS,    /* /proc/self/maps */
	PAGERD_FD_SMAPS,   /* /proc/self/smaps */
	PAGERD_FD_ROLLUP,  /* /proc/self/smaps_rollup */
	PAGERD_FD_STATM,   /* /proc/thread-self/statm, of the agent */
	PAGERD_FD_MAIN,    /* userfaultfd for the program, raw; only EXEC */
	PAGERD_FDS_EXEC = 7,
	PAGERD_FDS_FORK = 6, /* the kernel gave the daemon FD_MAIN already */
	PAGERD_FDS_HOLD = 0, /* the daemon opens the files by itself */
};

/*
 * The agent area is one mapping that holds everything the agent touches (its
 * stack, its state and the staging area); it is never adopted.  The anchor is
 * one page of its own, inherited empty by a forked child (MADV_WIPEONFORK)
 * and registered with the main userfaultfd: the daemon fills it with a struct
 * pagerd_anchor, which tells the child who it is, when it hears of the fork, or
 * else when the child raises a fault by reading it.
 */
struct pagerd_msg_hello {
	struct pagerd_msg hdr;
	uint32_t kind; /* enum pagerd_hello_kind */
	uint32_t agent_tid;
	uint8_t group_token[PAGERD_TOKEN_BYTES]; /* EXEC */
	uint8_t space_token[PAGERD_TOKEN_BYTES]; /* FORK: from the anchor */
	uint64_t space_id;                       /* FORK: from the anchor */
	uint64_t area_start, area_len;           /* bytes, page aligned */
	uint64_t stage_start;  /* PAGERD_STAGE_PAGES pages, inside the area */
	uint64_t anchor_start; /* one page */
};

struct pagerd_anchor {
	uint64_t magic; /* PAGERD_ANCHOR_MAGIC */
	uint64_t space_id;
	uint8_t space_token[PAGERD_TOKEN_BYTES];
};
#define PAGERD_ANCHOR_MAGIC UINT64_C(0x726f68636e612e70)

#define PAGERD_READY_INHERITED 1u /* it depends on the daemon already */

/* daemon to client; fds: after FORK the main userfaultfd, to be kept open */
struct pagerd_msg_ready {
	struct pagerd_msg hdr;
	uint64_t space_id;
	uint32_t flags;
	uint32_t reserved;
};

struct pagerd_msg_refused {
	struct pagerd_msg hdr;
	char reason[120]; /* one line for a person, NUL terminated */
};

/*
 * A run is a page-aligned address with (number of pages - 1) in its low 12
 * bits.  MOVE captures the runs into the staging area one behind the other,
 * from its first page on; holes in a run leave holes in staging.
 *
 * The agent registers staging with the main userfaultfd to move pages there,
 * and unregisters it to empty it.  So MOVE is refused (EAGAIN) from the moment
 * that a change of the mappings begins until the daemon has read of it, and to
 * empty staging is no such change.
 *
 * An agent that finds more in its socket when it has registered staging moves
 * nothing: the daemon sends DEPEND, and unregisters staging, to be sure that
 * what it asked an agent that has been stopped is not done later.
 */
#define PAGERD_RUN(addr, npages) ((uint64_t)(addr) | ((uint64_t)(npages)-1))
#define PAGERD_RUN_ADDR(run) ((run) & ~UINT64_C(0xfff))
#define PAGERD_RUN_PAGES(run) ((uint32_t)((run)&0xfff) + 1)

#define PAGERD_MOVE_EMPTY_FIRST 1u /* empty all of staging before */

struct pagerd_msg_move {
	struct pagerd_msg hdr;
	uint32_t seq;
	uint32_t flags;  /* PAGERD_MOVE_*, MOVE only */
	uint32_t nruns;  /* 1 .. PAGERD_STAGE_PAGES; as many are sent */
	uint32_t npages; /* sum over the runs, <= PAGERD_STAGE_PAGES */
	uint64_t runs[PAGERD_STAGE_PAGES];
};
/* UNSHARE makes each page of the runs the process's own (breaks COW). */
#define pagerd_msg_unshare pagerd_msg_move
/*
 * DROP takes pages out of private mappings of descriptors, which the kernel
 * does not move: each run is remapped into the agent's area
 * (MREMAP_DONTUNMAP), and unmapped there.  The kernel tells the daemon of the
 * first, and goes on when that was read.  What cannot be dropped stays; the
 * daemon looks for itself.
 */
#define pagerd_msg_drop pagerd_msg_move
#define PAGERD_MOVE_SIZE(nruns)                                                \
	(sizeof(struct pagerd_msg_move) -                                      \
	    (PAGERD_STAGE_PAGES - (nruns)) * sizeof(uint64_t))

struct pagerd_msg_moved {
	struct pagerd_msg hdr;
	uint32_t seq;
	uint32_t npages;
	/*
	 * For each page in staging order: 0, captured (or a hole); else the
	 * errno of the move, the page is still where it was.
	 */
	uint8_t status[PAGERD_STAGE_PAGES];
};

struct pagerd_msg_empty { /* drop everything in the staging area */
	struct pagerd_msg hdr;
	uint32_t seq;
	uint32_t reserved;
};

/*
 * The agent forks its process; the child, the holder, keeps the memory as it
 * is now and runs nothing but an agent.  fds: the holder's end of a connection
 * of its own.  The holder says HELLO there without having been welcomed, gets
 * READY, and ends with that connection.
 */
struct pagerd_msg_hold {
	struct pagerd_msg hdr;
	uint32_t seq;
	uint32_t reserved;
};
#define PAGERD_HOLD_FDS 1

struct pagerd_msg_done { /* answers EMPTY, UNSHARE, DROP and HOLD */
	struct pagerd_msg hdr;
	uint32_t seq;
	int32_t result; /* 0 or -errno */
};

/*
 * The process maps memory of which only the daemon knows the contents: without
 * a RELEASE it cannot go on.  Not answered, and not sent while HOLD is
 * outstanding, unless that is given up.
 */
struct pagerd_msg_depend {
	struct pagerd_msg hdr;
};

struct pagerd_msg_release {
	struct pagerd_msg hdr;
};

/* What a session may ask for, and what it needs and gets. */
enum pagerd_op {
	/* => is this process managed?  result 0, or -ESRCH */
	PAGERD_OP_OPEN = 1,
	/*
	 * A new region in [arena, arena + arena_len).  addr: hint, or 0; len;
	 * flags: MAP_*; name: of SHARED memory.  => addr, len, offset, and
	 * unless it is anonymous the descriptor of what to map there
	 */
	PAGERD_OP_MAP = 2,
	/*
	 * The next region of snapshot name in [addr, arena + arena_len), copy
	 * on write at its own address.  => as MAP; len 0, no descriptor: there
	 * is none
	 */
	PAGERD_OP_CLONE = 3,
	/* The region that starts at addr ends at addr + len from now on. */
	PAGERD_OP_EXTEND = 4,
	/* [addr, addr + len) is mapped now.  => it is registered */
	PAGERD_OP_ARM = 5,
	/* [addr, addr + len) is not managed any longer, and not registered */
	PAGERD_OP_UNMAP = 6,
	/* A snapshot of this process, called name. */
	PAGERD_OP_SNAPSHOT = 7,
	/* Snapshot name is given up. */
	PAGERD_OP_DROP = 8,
	/* Shared memory called name lives as long as it is mapped. */
	PAGERD_OP_UNLINK = 9,
	/* => the first region that ends above addr, else -ENOENT */
	PAGERD_OP_QUERY = 10,
	/* flags: ADVISE_*, of [addr, addr + len) */
	PAGERD_OP_ADVISE = 11,
	/*
	 * A new region, as MAP, that shows a file from offset on, and is
	 * private when written.  flags: MAP_READONLY, MAP_FIXED.  The file
	 * comes with the request, open for reading; no other request has a
	 * descriptor.  => as MAP
	 */
	PAGERD_OP_MAP_FILE = 12,
};

#define PAGERD_NAME_BYTES 64 /* with its NUL */

enum pagerd_map_flags {
	PAGERD_MAP_SHARED = 1 << 0,    /* name: one memory for all */
	PAGERD_MAP_CREATE = 1 << 1,    /* SHARED: made if it is not there */
	PAGERD_MAP_EXCLUSIVE = 1 << 2, /* SHARED, CREATE: -EEXIST if it is */
	PAGERD_MAP_READONLY = 1 << 3,
	PAGERD_MAP_FIXED = 1 << 4, /* at the hint or nowhere */
	PAGERD_MAP_ALL = (1 << 5) - 1,
};

/* UNMAP: not managed, but its addresses stay taken, until UNMAP without it */
#define PAGERD_UNMAP_KEEP 1u

enum pagerd_advice {
	PAGERD_ADVISE_COLD = 1,       /* goes out before all else */
	PAGERD_ADVISE_SEQUENTIAL = 2, /* will be read in order */
	PAGERD_ADVISE_NORMAL = 3,     /* it will not */
	PAGERD_ADVISE_PIN = 4,        /* stays in memory */
	PAGERD_ADVISE_UNPIN = 5,
};

struct pagerd_msg_request {
	struct pagerd_msg hdr;
	uint32_t op;    /* enum pagerd_op */
	uint32_t flags; /* by op */
	uint64_t arena, arena_len;
	uint64_t addr, len;
	uint64_t offset; /* MAP: of SHARED memory; MAP_FILE: bytes */
	char name[PAGERD_NAME_BYTES];
};

struct pagerd_msg_reply {
	struct pagerd_msg hdr;
	int32_t result; /* 0 or -errno */
	uint32_t flags; /* QUERY: PAGERD_MAP_READONLY, if it is */
	uint64_t addr, len, offset;
	/* QUERY */
	uint64_t region; /* its id; of shared memory, that memory's */
	uint64_t resident, out, shared; /* bytes */
	uint32_t users;                 /* regions that map the same */
	uint32_t reserved;
	char memtype[16];
};

#endif
