/*
 * region.c: regions come, grow, shrink and go
 */
#include <errno.h>
#include <string.h>

#include "lib.h"

#define MAP_FLAGS                                                              \
	(PAGERD_CREATE | PAGERD_EXCLUSIVE | PAGERD_READONLY | PAGERD_FIXED)

static int
arm(struct pagerd *p, uint64_t addr, uint64_t len)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_ARM,
		.addr = addr,
		.len = len,
	};

	return (session_tell(p, &req));
}

/* If even this fails there is nothing left to do. */
void
region_forget(struct pagerd *p, uint64_t addr, uint64_t len)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_UNMAP,
		.addr = addr,
		.len = len,
	};

	session_tell(p, &req);
}

int
region_place(struct pagerd *p, struct answer *a, const struct manner *how)
{
	const uint64_t addr = a->msg.addr, len = a->msg.len;
	int ret;

	ret = a->fd_lost ? -EMFILE : arena_place(a, how);
	answer_close(a);
	if (ret == 0)
		ret = arm(p, addr, len);
	if (ret < 0)
		arena_reserve(addr, len);
	return (ret);
}

/* Is it what it ought to be, if one of these is not anonymous? */
static bool
has_memory(const struct answer *a, bool anonymous)
{
	const bool has_fd = a->fd >= 0 || a->fd_lost;

	return (has_fd != anonymous && a->msg.offset % PAGERD_PAGE == 0);
}

static int
check_flags(const char *name, uint64_t offset, unsigned int flags)
{
	if (flags & ~(unsigned int)MAP_FLAGS)
		return (-EINVAL);
	if (flags & PAGERD_EXCLUSIVE && !(flags & PAGERD_CREATE))
		return (-EINVAL);
	if (name == NULL && (flags & PAGERD_CREATE || offset != 0))
		return (-EINVAL);
	return (0);
}

/* => a hint must be in the arena; if it is more than that, all of the region */
static int
check_range(uint64_t hint, uint64_t len, uint64_t offset, unsigned int flags)
{
	const uint64_t at_hint = flags & PAGERD_FIXED ? len : PAGERD_PAGE;

	if ((len | offset) % PAGERD_PAGE != 0 || len == 0 || offset + len < len)
		return (-EINVAL);
	if (hint == 0 && flags & PAGERD_FIXED)
		return (-EINVAL);
	if (hint != 0 && !arena_holds(hint, at_hint))
		return (-EINVAL);
	return (len > PAGERD_ARENA_BYTES ? -ENOMEM : 0);
}

int
region_check_file(uint64_t hint, uint64_t len, uint64_t offset,
    unsigned int flags)
{
	const unsigned int known = PAGERD_READONLY | PAGERD_FIXED;

	if (flags & ~known)
		return (-EINVAL);
	return (check_range(hint, len, offset, flags));
}

static uint32_t
wire_flags(const char *name, unsigned int flags)
{
	uint32_t wire = 0;

	if (name != NULL)
		wire |= PAGERD_MAP_SHARED;
	if (flags & PAGERD_CREATE)
		wire |= PAGERD_MAP_CREATE;
	if (flags & PAGERD_EXCLUSIVE)
		wire |= PAGERD_MAP_EXCLUSIVE;
	if (flags & PAGERD_READONLY)
		wire |= PAGERD_MAP_READONLY;
	if (flags & PAGERD_FIXED)
		wire |= PAGERD_MAP_FIXED;
	return (wire);
}

static bool
answers_map(const struct pagerd_msg_request *req, const struct answer *a)
{
	const bool anonymous =
	    req->op == PAGERD_OP_MAP && !(req->flags & PAGERD_MAP_SHARED);

	if (!arena_holds(a->msg.addr, a->msg.len) || a->msg.len != req->len)
		return (false);
	if (req->flags & PAGERD_MAP_FIXED && a->msg.addr != req->addr)
		return (false);
	return (has_memory(a, anonymous));
}

int
region_map(struct pagerd *p, struct pagerd_msg_request *req, int fd,
    void **addr)
{
	const struct manner how = {
		.readonly = req->flags & PAGERD_MAP_READONLY,
		.shared = req->flags & PAGERD_MAP_SHARED,
	};
	struct answer a;
	int ret;

	ret = session_ask_with(p, req, fd, &a);
	if (ret < 0)
		return (ret);
	if (!answers_map(req, &a)) {
		answer_close(&a);
		return (session_violated(p));
	}
	ret = region_place(p, &a, &how);
	if (ret < 0)
		region_forget(p, a.msg.addr, a.msg.len);
	else
		*addr = (void *)(uintptr_t)a.msg.addr;
	return (ret);
}

int
pagerd_map(struct pagerd *p, void *hint, size_t len, const char *name,
    uint64_t offset, unsigned int flags, void **out)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_MAP,
		.flags = wire_flags(name, flags),
		.addr = (uintptr_t)hint,
		.len = len,
		.offset = offset,
	};
	int ret;

	if ((ret = check_flags(name, offset, flags)) < 0)
		return (ret);
	if ((ret = check_range(req.addr, len, offset, flags)) < 0)
		return (ret);
	if (name != NULL && (ret = request_name(&req, name)) < 0)
		return (ret);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = region_map(p, &req, -1, out);
	session_leave(p);
	return (ret);
}

/* The kernel tells the daemon; so this works without it, too. */
int
pagerd_unmap(struct pagerd *p, void *addr, size_t len)
{
	int ret;

	if (!arena_holds((uintptr_t)addr, len))
		return (-EINVAL);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = arena_reserve((uintptr_t)addr, len);
	/* Of excluded memory the kernel tells nobody. */
	if (ret == 0 && arena_has_excluded() && !p->ended)
		region_forget(p, (uintptr_t)addr, len);
	session_leave(p);
	return (ret);
}

static int
ask_extend(struct pagerd *p, uint64_t addr, uint64_t len, struct answer *a)
{
	struct pagerd_msg_request req = {
		.op = PAGERD_OP_EXTEND,
		.addr = addr,
		.len = len,
	};

	return (session_ask(p, &req, a));
}

static void
take_back(struct pagerd *p, const struct pagerd_region *r)
{
	struct answer a;

	if (ask_extend(p, (uintptr_t)r->addr, r->len, &a) == 0)
		answer_close(&a);
}

static int
grow(struct pagerd *p, const struct pagerd_region *r, uint64_t len)
{
	const struct manner how = {
		.readonly = r->readonly,
		.shared = strcmp(r->memtype, "shared") == 0,
	};
	const uint64_t addr = (uintptr_t)r->addr;
	struct answer a;
	int ret;

	ret = ask_extend(p, addr, len, &a);
	if (ret < 0)
		return (ret);
	if (a.msg.addr != addr + r->len || a.msg.len != len - r->len ||
	    !has_memory(&a, strcmp(r->memtype, "anon") == 0)) {
		answer_close(&a);
		return (session_violated(p));
	}
	ret = region_place(p, &a, &how);
	if (ret < 0)
		take_back(p, r);
	return (ret);
}

/* => entered */
static int
extend(struct pagerd *p, uint64_t addr, uint64_t len)
{
	struct pagerd_region r;
	int ret;

	ret = region_query(p, addr, &r);
	if (ret == -ENOENT || (ret == 0 && (uintptr_t)r.addr != addr))
		return (-EINVAL);
	if (ret < 0 || len == r.len)
		return (ret);
	if (len < r.len)
		return (arena_reserve(addr + len, r.len - len));
	if (!arena_holds(addr, len))
		return (-ENOMEM);
	return (grow(p, &r, len));
}

int
pagerd_extend(struct pagerd *p, void *addr, size_t new_len)
{
	int ret;

	if (!arena_holds((uintptr_t)addr, PAGERD_PAGE))
		return (-EINVAL);
	if (new_len == 0 || new_len % PAGERD_PAGE != 0)
		return (-EINVAL);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = extend(p, (uintptr_t)addr, new_len);
	session_leave(p);
	return (ret);
}
