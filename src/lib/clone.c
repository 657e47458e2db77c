/*
 * clone.c: what has a name, and clones of it
 */
#include <errno.h>

#include "lib.h"

static int
tell_name(struct pagerd *p, enum pagerd_op op, const char *name)
{
	struct pagerd_msg_request req = { .op = op };
	int ret;

	ret = request_name(&req, name);
	if (ret < 0)
		return (ret);
	return (session_tell_once(p, &req));
}

int
pagerd_snapshot(struct pagerd *p, const char *name)
{
	return (tell_name(p, PAGERD_OP_SNAPSHOT, name));
}

int
pagerd_drop(struct pagerd *p, const char *name)
{
	return (tell_name(p, PAGERD_OP_DROP, name));
}

int
pagerd_unlink(struct pagerd *p, const char *name)
{
	return (tell_name(p, PAGERD_OP_UNLINK, name));
}

struct cloning {
	struct pagerd *p;
	struct pagerd_msg_request req; /* addr: where to look for the next */
	struct made made;
};

static bool
is_end(const struct answer *a)
{
	return (a->msg.len == 0 && a->fd < 0 && !a->fd_lost);
}

static bool
answers_clone(const struct pagerd_msg_request *req, const struct answer *a)
{
	return (arena_holds(a->msg.addr, a->msg.len) &&
		a->msg.addr >= req->addr && (a->fd >= 0 || a->fd_lost) &&
		a->msg.offset % PAGERD_PAGE == 0);
}

/* => 1: there is none any more */
static int
clone_next(struct cloning *c)
{
	struct manner how = { .shared = false };
	struct answer a;
	int ret;

	if (c->req.addr == ARENA_END)
		return (1);
	ret = session_ask(c->p, &c->req, &a);
	if (ret < 0)
		return (ret);
	if (is_end(&a))
		return (1);
	if (!answers_clone(&c->req, &a)) {
		answer_close(&a);
		return (session_violated(c->p));
	}
	how.readonly = a.msg.flags & PAGERD_MAP_READONLY;
	ret = region_place(c->p, &a, &how);
	if (ret < 0) {
		region_forget(c->p, a.msg.addr, a.msg.len);
		return (ret);
	}
	made_add(&c->made, a.msg.addr, a.msg.len);
	c->req.addr = a.msg.addr + a.msg.len;
	return (0);
}

static int
clone_all(struct cloning *c)
{
	int ret;

	do {
		ret = made_room(&c->made);
		if (ret == 0)
			ret = clone_next(c);
	} while (ret == 0);
	return (made_end(&c->made, ret < 0 ? ret : 0));
}

int
pagerd_clone(struct pagerd *p, const char *name)
{
	struct cloning c = {
		.p = p,
		.made = { .p = p },
		.req = {
			.op = PAGERD_OP_CLONE,
			.addr = PAGERD_ARENA_START,
		},
	};
	int ret;

	if ((ret = request_name(&c.req, name)) < 0)
		return (ret);
	if ((ret = session_enter(p)) < 0)
		return (ret);
	ret = clone_all(&c);
	session_leave(p);
	return (ret);
}
