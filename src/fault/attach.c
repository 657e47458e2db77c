#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "agent.h"
#include "budget.h"
#include "client.h"
#include "evict.h"
#include "planes.h"
#include "uffd.h"

static int
refuse(struct mail_attach *m, int error, const char *why)
{
	(void)snprintf(m->reason, sizeof(m->reason), "%s", why);
	return error;
}

static int
enable(struct mail_attach *m, int uffd)
{
	int r = uffd_enable(uffd);

	if (r == -EPERM)
		return refuse(m, r,
		    "pagerd needs CAP_SYS_PTRACE to follow fork(2)");
	if (r < 0)
		return refuse(m, r,
		    "a userfaultfd was refused: it must be raw, and the "
		    "kernel's events supported");
	return 0;
}

static int
send_ready(struct mail_attach *m, const struct client *c)
{
	struct pagerd_msg_ready ready = {
		.hdr = { .version = PAGERD_PROTOCOL_VERSION,
		    .type = PAGERD_MSG_READY,
		    .size = sizeof(ready) },
		.space_id = c->space->rec->id,
	};

	if (c->depends || c->space->counts.out + c->space->counts.clean > 0)
		ready.flags = PAGERD_READY_INHERITED;
	if (agent_send(m->sock, &ready, sizeof(ready), m->fork ? c->uffd : -1) <
	    0)
		return refuse(m, -EPIPE, "the client is gone");
	return 0;
}

/* => the client has an agent, and we its descriptors */
static int
connect_agent(struct pager *p, struct mail_attach *m, struct client *c)
{
	struct space_record *rec = c->space->rec;
	int r = p->host.watch(p->host.ctx, m->sock, rec->id, PAGER_SOCK);

	if (r < 0)
		return refuse(m, r, "too many clients");
	rec->pid = (uint32_t)m->pid;
	rec->area_start = m->area_start;
	rec->area_len = m->area_len;
	rec->stage_start = m->stage_start;
	c->agent = m->agent;
	c->sock = m->sock;
	c->mem = m->mem;
	c->pagemap = m->pagemap;
	c->maps = m->maps;
	c->probe_us = UINT64_MAX;
	m->space = rec->id;
	m->group_out = rec->group;
	m->gauge = c->gauge;
	count(p, C_clients_attached, 1);
	return 0;
}

static int
attach_exec(struct pager *p, struct mail_attach *m)
{
	struct space_record rec = {
		.group = m->group,
		.uid = m->uid,
		.anchor = m->anchor_start,
	};
	struct client *c;
	int uffd, r;

	if (group_get(&p->vm, m->group) == NULL)
		return refuse(m, -ENOENT, "the group is gone");
	r = enable(m, m->uffd_main);
	if (r < 0)
		return r;
	if (uffd_register(m->uffd_main, m->anchor_start, PAGE_BYTES,
		UFFD_MODE_WP) < 0)
		return refuse(m, -EINVAL, "the anchor cannot be registered");
	/* The client owns this one; the asker keeps its own if we fail. */
	uffd = dup(m->uffd_main);
	if (uffd < 0)
		return refuse(m, -errno, "too many open files");
	if (token_random(rec.token) < 0 || client_new(p, &rec, uffd, &c) < 0)
		return refuse(m, -ENOSPC, "too many clients");
	r = send_ready(m, c);
	if (r == 0)
		r = connect_agent(p, m, c);
	if (r < 0) {
		client_free(p, c);
		return r;
	}
	(void)close(m->uffd_main);
	if (budget_is_near(p, c->space->group))
		evict_alert(p, c);
	return 0;
}

static int
attach_fork(struct pager *p, struct mail_attach *m)
{
	struct client *c = client_get(p, m->fork_space);
	int r;

	if (c == NULL ||
	    memcmp(c->space->rec->token, m->fork_token, TOKEN_BYTES) != 0)
		return refuse(m, -ENOENT, "no such fork is known");
	if (client_has_agent(c))
		return refuse(m, -EEXIST, "that fork has an agent already");
	if (!m->looked && !RB_EMPTY(&c->space->regions))
		return ATTACH_LOOK;
	r = connect_agent(p, m, c);
	if (r < 0)
		return r;
	adopt_inherited(p, c, m->wiped, m->nwiped);
	if (send_ready(m, c) < 0)
		client_lose_agent(p, c);
	else if (budget_is_near(p, c->space->group))
		evict_alert(p, c);
	return 0;
}

int
attach(struct pager *p, struct mail_attach *m)
{
	if (p->stop != NULL)
		return refuse(m, -ESHUTDOWN, "pagerd is being stopped");
	return m->fork ? attach_fork(p, m) : attach_exec(p, m);
}
