#include "hold.h"

#include <errno.h>

#include "agent.h"
#include "client.h"
#include "planes.h"

#define HOLD_US 2000000u

void
hold_begin(struct pager *p, struct mail_hold *m)
{
	struct client *c = client_get(p, m->space);
	int r = 0;

	if (c == NULL)
		r = -ESRCH;
	else if (p->stop != NULL)
		r = -ESHUTDOWN;
	else if (!client_has_agent(c))
		r = -EOPNOTSUPP;
	else if (c->hold != NULL)
		r = -EBUSY;
	if (r < 0) {
		planes_answer(p->planes, &m->m, r);
		return;
	}
	c->hold = m;
	c->hold_sent = false;
	c->hold_until_us = now_us(p) + HOLD_US;
	client_set_busy(p, c);
}

static void
send_hold(struct pager *p, struct client *c)
{
	const struct pagerd_msg_hold msg = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_HOLD,
		    .size = sizeof(msg) },
		.seq = c->batch.seq + 1,
	};

	c->batch.seq++;
	c->batch.sent_us = now_us(p);
	if (agent_send(c->sock, &msg, sizeof(msg), c->hold->sock) == 0) {
		c->batch.state = BATCH_HOLDING;
		c->hold_sent = true;
	} else {
		hold_end(p, c, -EPIPE);
	}
}

uint64_t
hold_step(struct pager *p, struct client *c)
{
	if (c->hold == NULL)
		return UINT64_MAX;
	if (now_us(p) >= c->hold_until_us)
		hold_end(p, c, -ETIMEDOUT);
	else if (!c->hold_sent && p->stop != NULL)
		hold_end(p, c, -ESHUTDOWN);
	else if (!c->hold_sent && c->batch.state == BATCH_IDLE)
		send_hold(p, c);
	return c->hold != NULL ? c->hold_until_us : UINT64_MAX;
}

void
hold_end(struct pager *p, struct client *c, int result)
{
	if (c->hold != NULL)
		planes_answer(p->planes, &c->hold->m, result);
	c->hold = NULL;
	c->hold_sent = false;
}

void
hold_done(struct pager *p, struct client *c, int result)
{
	if (c->hold_sent)
		hold_end(p, c, result);
}
