/*
 * advise.c: what is there, and what is going to become of it
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include "lib.h"

static bool
answers_query(uint64_t addr, const struct pagerd_msg_reply *msg)
{
	return (arena_holds(msg->addr, msg->len) &&
		msg->addr + msg->len > addr &&
		memchr(msg->memtype, '\0', sizeof(msg->memtype)) != NULL);
}

static void
fill_region(struct pagerd_region *r, const struct pagerd_msg_reply *msg)
{
	memset(r, 0, sizeof(*r));
	r->addr = (void *)(uintptr_t)msg->addr;
	r->len = msg->len;
	memcpy(r->memtype, msg->memtype, sizeof(r->memtype));
	r->id = msg->region;
	r->users = msg->users;
	r->readonly = (msg->flags & PAGERD_MAP_READONLY) != 0;
	r->resident = msg->resident;
	r->out = msg->out;
	r->shared = msg->shared;
}

_Static_assert(sizeof(((struct pagerd_region *)0)->memtype) ==
		   sizeof(((struct pagerd_msg_reply *)0)->memtype),
    "one is copied to the other");

/* The daemon knows of memory outside the arena, too; that is not asked for. */
int
region_query(struct pagerd *p, uint64_t addr, struct pagerd_region *r)
{
	struct pagerd_msg_request req = { .op = PAGERD_OP_QUERY };
	struct answer a;
	int ret;

	req.addr = addr > PAGERD_ARENA_START ? addr : PAGERD_ARENA_START;
	if (req.addr >= ARENA_END)
		return (-ENOENT);
	ret = session_ask(p, &req, &a);
	if (ret < 0)
		return (ret);
	if (a.fd >= 0 || a.fd_lost) {
		answer_close(&a);
		return (session_violated(p));
	}
	if (a.msg.addr >= ARENA_END)
		return (-ENOENT);
	if (!answers_query(req.addr, &a.msg))
		return (session_violated(p));
	fill_region(r, &a.msg);
	return (0);
}

int
pagerd_query(struct pagerd *p, const void *addr, struct pagerd_region *r)
{
	int ret;

	ret = session_enter(p);
	if (ret < 0)
		return (ret);
	ret = region_query(p, (uintptr_t)addr, r);
	session_leave(p);
	return (ret);
}

struct piece {
	uint64_t addr, len;
	const struct pagerd_region *region; /* that has all of it */
};

typedef int (*piece_fn)(const struct piece *);

/*
 * each_piece: calls fn for what each region has of [addr, end)
 *
 * => not entered: what fn does may take long, and a fork need not wait for it
 * => stops at what is not 0, and returns it; -ENOMEM: there is a gap
 */
static int
each_piece(struct pagerd *p, uint64_t addr, uint64_t end, piece_fn fn)
{
	struct pagerd_region r;
	struct piece piece = { .region = &r };
	uint64_t next;
	int ret;

	for (; addr < end; addr = next) {
		ret = pagerd_query(p, (void *)(uintptr_t)addr, &r);
		if (ret == -ENOENT || (ret == 0 && (uintptr_t)r.addr > addr))
			return (-ENOMEM);
		if (ret < 0)
			return (ret);
		next = (uintptr_t)r.addr + r.len;
		next = next < end ? next : end;
		piece.addr = addr;
		piece.len = next - addr;
		ret = fn(&piece);
		if (ret < 0)
			return (ret);
	}
	return (0);
}

static int
populate(const struct piece *piece, int advice)
{
	int ret;

	do
		ret =
		    madvise((void *)(uintptr_t)piece->addr, piece->len, advice);
	while (ret < 0 && errno == EINTR);
	return (ret < 0 ? -errno : 0);
}

/*
 * To populate for writing would make a clone's pages its own, and nothing would
 * be shared any more.  The program may have made other memory unwritable, too.
 */
static int
bring_in(const struct piece *piece)
{
	const struct pagerd_region *r = piece->region;
	const bool own = strcmp(r->memtype, "anon") == 0 ||
			 strcmp(r->memtype, "shared") == 0;
	int ret = -EINVAL;

	if (own && !r->readonly)
		ret = populate(piece, MADV_POPULATE_WRITE);
	if (ret == -EINVAL || ret == -EFAULT)
		ret = populate(piece, MADV_POPULATE_READ);
	return (ret);
}

static int
must_be_anon(const struct piece *piece)
{
	return (strcmp(piece->region->memtype, "anon") == 0 ? 0 : -EOPNOTSUPP);
}

static int
tell_advice(struct pagerd *p, uint64_t addr, uint64_t len,
    enum pagerd_advice advice)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_ADVISE,
		.flags = advice,
		.addr = addr,
		.len = len,
	};

	return (session_tell_once(p, &req));
}

/* Pinned first: what was brought in must not go again meanwhile. */
static int
pin(struct pagerd *p, uint64_t addr, uint64_t len)
{
	int ret;

	ret = tell_advice(p, addr, len, PAGERD_ADVISE_PIN);
	if (ret < 0)
		return (ret);
	ret = each_piece(p, addr, addr + len, bring_in);
	if (ret < 0)
		tell_advice(p, addr, len, PAGERD_ADVISE_UNPIN);
	return (ret);
}

/*
 * A page that is out when the daemon gives the range up would read as zero
 * afterwards, so none may be.
 *
 * => a thread that unmaps the range as soon as the daemon has given it up must
 *    know that there is excluded memory: so that is said before
 */
static int
exclude(struct pagerd *p, uint64_t addr, uint64_t len)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_UNMAP,
		.flags = PAGERD_UNMAP_KEEP,
		.addr = addr,
		.len = len,
	};
	int ret;

	if ((ret = each_piece(p, addr, addr + len, must_be_anon)) < 0)
		return (ret);
	if ((ret = pin(p, addr, len)) < 0)
		return (ret);
	arena_set_excluded();
	ret = session_tell_once(p, &req);
	if (ret < 0)
		tell_advice(p, addr, len, PAGERD_ADVISE_UNPIN);
	return (ret);
}

int
pagerd_advise(struct pagerd *p, void *ptr, size_t len,
    enum pagerd_advise advice)
{
	const uint64_t addr = (uintptr_t)ptr;

	if (!arena_holds(addr, len))
		return (-EINVAL);
	switch (advice) {
	case PAGERD_COLD:
		return (tell_advice(p, addr, len, PAGERD_ADVISE_COLD));
	case PAGERD_SEQUENTIAL:
		return (tell_advice(p, addr, len, PAGERD_ADVISE_SEQUENTIAL));
	case PAGERD_NORMAL:
		return (tell_advice(p, addr, len, PAGERD_ADVISE_NORMAL));
	case PAGERD_UNPIN:
		return (tell_advice(p, addr, len, PAGERD_ADVISE_UNPIN));
	case PAGERD_PIN:
		return (pin(p, addr, len));
	case PAGERD_WILLNEED:
		return (each_piece(p, addr, addr + len, bring_in));
	case PAGERD_EXCLUDE:
		return (exclude(p, addr, len));
	}
	return (-EINVAL);
}
