/*
 * lib.h: what the files of libpagerd share
 *
 *	pagerd.h's functions	region.c clone.c restore.c advise.c open.c
 *	what can be undone	made.c
 *	one request, its reply	session.c  (the lock, and who may call)
 *	one packet		packet.c
 *	the addresses		arena.c
 *
 * The daemon is trusted with the memory that it manages, not to make no
 * mistake: a reply is checked against what was asked before anything is mapped
 * where it says.  One that cannot be ends the session.
 */
#ifndef LIB_H
#define LIB_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)
#include <pagerd.h>
#pragma GCC visibility pop

#include <pagerd/protocol.h>

#define ARENA_END (PAGERD_ARENA_START + PAGERD_ARENA_BYTES)

/* under the lock of session.c, but for pid */
struct pagerd {
	int sock;
	pid_t pid;        /* who opened it; const */
	bool ended;       /* nothing more is sent */
	int cancel_state; /* of the thread that holds the lock */
};

#define PACKET_FDS 4 /* more than any packet has, to count them */

struct packet {
	union {
		struct pagerd_msg hdr;
		struct pagerd_msg_welcome welcome;
		struct pagerd_msg_refused refused;
		struct pagerd_msg_reply reply;
	} msg;
	int fds[PACKET_FDS];
	unsigned int nfds;
	bool fds_lost; /* this process may not have more descriptors */
};

/*
 * => fd: goes with it, or -1
 * => 0; -ECONNRESET, -ETIMEDOUT; -EBADF, -ETOOMANYREFS: of fd
 */
int packet_send(int sock, const void *packet, size_t len, int fd);
/*
 * packet_receive: one packet of exactly this type and size
 *
 * => 0, with descriptors that are the caller's; -ECONNRESET, -ETIMEDOUT;
 *    -ECONNREFUSED: it says REFUSED; -EPROTONOSUPPORT; -EPROTO.  Then all
 *    descriptors are closed
 */
int packet_receive(int sock, uint16_t type, size_t size, struct packet *);
void packet_close_fds(struct packet *);

static inline void
packet_header(struct pagerd_msg *hdr, enum pagerd_msg_type type, size_t size)
{
	hdr->version = PAGERD_PROTOCOL_VERSION;
	hdr->type = (uint16_t)type;
	hdr->size = (uint32_t)size;
}

struct answer {
	struct pagerd_msg_reply msg;
	int fd;       /* -1: none; the caller's */
	bool fd_lost; /* one came, and RLIMIT_NOFILE is reached */
};

/* Once, before the first session_enter().  => 0 or -ENOMEM */
int session_init(void);
/*
 * session_enter: nobody else asks, nobody forks, and this thread is not
 * cancelled, until session_leave()
 *
 * => 0, or -ECHILD: the handle is our parent's; then nothing is held
 */
int session_enter(struct pagerd *);
void session_leave(struct pagerd *);
/*
 * session_ask: a request, and its reply
 *
 * => entered; the request's header is filled in
 * => 0, or the daemon's -errno: then there is no descriptor.  Else the session
 *    has ended: -ECONNRESET, -EPROTO, ...
 */
int session_ask(struct pagerd *, struct pagerd_msg_request *, struct answer *);
/* => with a descriptor, or -1; if that cannot be sent, nothing was */
int session_ask_with(struct pagerd *, struct pagerd_msg_request *, int fd,
    struct answer *);
/* => as session_ask(), of a request whose reply has no descriptor */
int session_tell(struct pagerd *, struct pagerd_msg_request *);
/* => as session_tell(), not entered */
int session_tell_once(struct pagerd *, struct pagerd_msg_request *);
/* The reply cannot be.  => -EPROTO, always; the session has ended */
int session_violated(struct pagerd *);
void answer_close(struct answer *);
/* => 0, or -EINVAL: no name of 1 to PAGERD_NAME_MAX bytes */
int request_name(struct pagerd_msg_request *, const char *name);

/* Is it one or more whole pages within the arena? */
bool arena_holds(uint64_t addr, uint64_t len);
/* => some of it has been excluded from management, or is about to be */
void arena_set_excluded(void);
bool arena_has_excluded(void);
/*
 * arena_open: the arena is reserved
 *
 * => entered
 * => 0, also if it was; -EEXIST: something of somebody else is there; -ENOMEM
 */
int arena_open(void);
/* Nothing is mapped there any more.  => 0 or -ENOMEM */
int arena_reserve(uint64_t addr, uint64_t len);

/* How a region is mapped; the rest is in the daemon's answer. */
struct manner {
	bool readonly;
	bool shared; /* what is written goes to the memory that is mapped */
};

/* => 0 or -errno: then what is mapped there is undefined; a keeps its fd */
int arena_place(const struct answer *, const struct manner *);

/*
 * region_place: map what the answer says, and have it registered
 *
 * => entered; the answer was checked; its descriptor is closed
 * => on failure the addresses are reserved again, and the daemon still has the
 *    region
 */
int region_place(struct pagerd *, struct answer *, const struct manner *);
/* Takes a region back of which the daemon alone knows. */
void region_forget(struct pagerd *, uint64_t addr, uint64_t len);

/*
 * region_map: asks for a region, and maps it
 *
 * => entered; fd goes with the request, or -1
 * => 0 and its address, or as session_ask_with(), region_place()
 */
int region_map(struct pagerd *, struct pagerd_msg_request *, int fd,
    void **addr);
/*
 * region_check_file: what is asked for of a file
 *
 * => 0, -EINVAL, -ENOMEM
 */
int region_check_file(uint64_t hint, uint64_t len, uint64_t offset,
    unsigned int flags);

/* Regions that are made all or none. */
struct made {
	struct pagerd *p;
	struct made_range {
		uint64_t addr, len;
	} * ranges;
	size_t n, room;
};

/* => there is room for one more: none is mapped that could not be undone */
int made_room(struct made *);
void made_add(struct made *, uint64_t addr, uint64_t len);
/* => rc, and unless it is 0 none of them is there any longer */
int made_end(struct made *, int rc);

/* => entered; else as pagerd_query() */
int region_query(struct pagerd *, uint64_t addr, struct pagerd_region *);

#endif
