/*
 * fake-lies.c: from what is to be sent to what must not be believed
 */
#include <errno.h>
#include <string.h>

#include "fake-parts.h"

static void
lie_of_size(enum fake_lie lie, struct outgoing *out)
{
	out->len = lie == LIE_SHORT  ? out->len - 8
		   : lie == LIE_TINY ? sizeof(out->msg.hdr) - 1
				     : out->len + 300;
	/* What is too long says that it is not. */
	if (lie == LIE_SHORT)
		out->msg.hdr.size = (uint32_t)out->len;
}

static void
lie_of_fds(const struct fake *f, enum fake_lie lie, struct outgoing *out)
{
	const unsigned int n = lie == LIE_MANY_FDS ? MAX_FDS : out->nfds + 1;

	if (lie == LIE_NO_FD)
		out->nfds = 0;
	else if (lie == LIE_BAD_FD)
		out->fds[0] = f->foreign_fd;
	else
		while (out->nfds < n)
			out->fds[out->nfds++] = f->null_fd;
}

static void
lie_of_range(enum fake_lie lie, struct pagerd_msg_reply *r)
{
	switch (lie) {
	case LIE_BELOW:
		r->addr = PAGERD_ARENA_START - PAGE;
		break;
	case LIE_ABOVE:
		r->addr = ARENA_END;
		break;
	case LIE_OVER_THE_END:
		r->addr = ARENA_END - r->len + PAGE;
		break;
	case LIE_WRAPS:
		r->len = -r->addr;
		break;
	case LIE_UNALIGNED:
		r->addr += 8;
		break;
	case LIE_ELSEWHERE:
		r->addr = PAGERD_ARENA_START;
		break;
	case LIE_LONGER:
		r->len += PAGE;
		break;
	case LIE_EMPTY:
		r->len = 0;
		break;
	case LIE_OFFSET:
		r->offset += 8;
		break;
	default:
		memset(r->memtype, 'x', sizeof(r->memtype));
	}
}

static void
lie_of_result(const struct fake *f, enum fake_lie lie, struct outgoing *out)
{
	out->nfds = 0;
	out->msg.reply.result = lie == LIE_POSITIVE   ? 1
				: lie == LIE_NO_ERRNO ? -4096
						      : -EPERM;
	if (lie == LIE_FAIL)
		out->msg.reply.result = f->fail_with;
	if (lie == LIE_ERROR_WITH_FD)
		out->fds[out->nfds++] = f->null_fd;
}

void
fake_tell_lie(const struct fake *f, struct outgoing *out)
{
	switch (f->lie) {
	case LIE_NONE:
		break;
	case LIE_VERSION:
		out->msg.hdr.version++;
		break;
	case LIE_TYPE:
		out->msg.hdr.type = PAGERD_MSG_DONE;
		break;
	case LIE_SIZE:
		out->msg.hdr.size++;
		break;
	case LIE_SHORT:
	case LIE_TINY:
	case LIE_LONG:
		lie_of_size(f->lie, out);
		break;
	case LIE_HANG_UP:
		out->hang_up = true;
		break;
	case LIE_REFUSED:
		out->nfds = 0;
		fake_set_header(out, PAGERD_MSG_REFUSED,
		    sizeof(out->msg.refused));
		break;
	case LIE_FAIL:
	case LIE_POSITIVE:
	case LIE_NO_ERRNO:
	case LIE_ERROR_WITH_FD:
		lie_of_result(f, f->lie, out);
		break;
	case LIE_NO_FD:
	case LIE_ONE_MORE_FD:
	case LIE_MANY_FDS:
	case LIE_BAD_FD:
		lie_of_fds(f, f->lie, out);
		break;
	default:
		lie_of_range(f->lie, &out->msg.reply);
	}
}
