/*
 * fake-plane.c: a fault plane that only keeps lists
 *
 * It stands behind the real main() and control plane in blackbox.py.  It takes
 * clients over, notices when they leave, and answers every mail.  A client
 * steers it by sending DONE with one of enum wish as its result; a group
 * called "refuse" lets nobody in, one called "lossy" cannot be brought home.
 */
#include "fake-plane.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plane.h"

enum wish {             /* what a client may ask for */
	WISH_CHILD = 1, /* a forked child, which has no agent yet */
	WISH_SCAN = 2,
	WISH_OVER = 3,   /* a hundred notices */
	WISH_MODEL = 4,  /* all that was adopted is the model's now */
	WISH_ANSWER = 5, /* ADVISE is answered */
};

struct fake_group *
fake_group_find(struct plane *p, uint32_t id)
{
	size_t i;

	for (i = 0; i < MAX; i++) {
		if (p->groups[i].id == id)
			return &p->groups[i];
	}
	return NULL;
}

struct fake_space *
fake_space_find(struct plane *p, uint64_t id)
{
	size_t i;

	for (i = 0; i < MAX; i++) {
		if (p->spaces[i].id == id)
			return &p->spaces[i];
	}
	return NULL;
}

void
fake_tell(struct plane *p, enum notice_kind kind, struct fake_space *s)
{
	struct notice *n = planes_notice(p->planes, kind);

	if (n == NULL)
		return;
	n->group = s->group->id;
	n->space = s->id;
	n->gauge = &s->gauge;
	snprintf(n->text, sizeof(n->text), "as the test wished");
	planes_notify(p->planes, n);
}

static int
group_new(struct plane *p, struct mail_group_new *m)
{
	struct fake_group *g = fake_group_find(p, 0);

	if (g == NULL)
		return -ENOSPC;
	if (fake_put(p, m->stack) < 0)
		return -EINVAL;
	memset(g, 0, sizeof(*g));
	g->id = ++p->last_group;
	g->uid = m->uid;
	g->limit = m->limit_bytes;
	memcpy(g->name, m->name, sizeof(g->name));
	m->id = g->id;
	m->gauge = &g->gauge;
	return 0;
}

static int
group_limit(struct plane *p, struct mail_group_limit *m)
{
	struct fake_group *g = fake_group_find(p, m->id);

	if (g == NULL)
		return -ENOENT;
	g->limit = m->limit_bytes;
	return 0;
}

static int
group_close(struct plane *p, struct mail_group_close *m)
{
	struct fake_group *g = fake_group_find(p, m->id);

	if (g == NULL)
		return -ENOENT;
	if (g->nspaces > 0)
		return -EBUSY;
	g->id = 0;
	return 0;
}

struct fake_space *
fake_space_new(struct plane *p, struct fake_group *g)
{
	struct fake_space *s = fake_space_find(p, 0);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->id = ++p->last_space;
	s->group = g;
	g->nspaces++;
	return s;
}

static void
take(struct fake_space *s, const struct mail_attach *m)
{
	s->pid = m->pid;
	s->uid = m->uid;
	s->fds[s->nfds++] = m->sock;
	s->fds[s->nfds++] = m->mem;
	s->fds[s->nfds++] = m->pagemap;
	s->fds[s->nfds++] = m->maps;
	if (!m->fork)
		s->fds[s->nfds++] = m->uffd_main;
}

static int
attach(struct plane *p, struct mail_attach *m)
{
	struct pagerd_msg_ready ready = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_READY,
		    sizeof(ready) },
	};
	struct fake_space *s = NULL;
	struct fake_group *g;

	if (m->fork) {
		s = m->fork_space != 0 ? fake_space_find(p, m->fork_space)
				       : NULL;
		if (s == NULL || s->nfds > 0) {
			snprintf(m->reason, sizeof(m->reason), "no child");
			return -ENOENT;
		}
	} else {
		g = fake_group_find(p, m->group);
		if (g == NULL || strcmp(g->name, "refuse") == 0) {
			snprintf(m->reason, sizeof(m->reason), "no entry");
			return -EPERM;
		}
		s = fake_space_new(p, g);
		if (s == NULL)
			return -ENOSPC;
	}
	take(s, m);
	ready.space_id = m->space = s->id;
	m->group_out = s->group->id;
	m->gauge = &s->gauge;
	send(m->sock, &ready, sizeof(ready), MSG_NOSIGNAL);
	return 0;
}

static int
adopt(struct plane *p, struct mail_adopt *m)
{
	struct fake_space *s = fake_space_find(p, m->space);
	size_t i;

	if (s == NULL)
		return -ESRCH;
	m->nadopted = m->adopted_pages = s->nranges = 0;
	for (i = 0; i < m->nranges && i < MAX; i++) {
		s->ranges[s->nranges++] = m->ranges[i];
		m->adopted_pages +=
		    (m->ranges[i].end - m->ranges[i].start) / 4096;
	}
	m->nadopted = s->nranges;
	s->adopted_pages = (int64_t)m->adopted_pages;
	return 0;
}

void
fake_space_drop(struct plane *p, struct fake_space *s)
{
	int i;

	if (s->held != NULL)
		planes_answer(p->planes, &s->held->m, -ESRCH);
	for (i = 0; i < s->nfds; i++)
		close(s->fds[i]);
	/* It ends with its connection. */
	if (s->holder > 0)
		waitpid(s->holder, NULL, 0);
	s->group->nspaces--;
	s->id = 0;
}

static int
answer(struct plane *p, struct mail *m)
{
	switch (m->op) {
	case MAIL_GROUP_NEW:
		return group_new(p, (struct mail_group_new *)m);
	case MAIL_GROUP_LIMIT:
		return group_limit(p, (struct mail_group_limit *)m);
	case MAIL_GROUP_CLOSE:
		return group_close(p, (struct mail_group_close *)m);
	case MAIL_ATTACH:
		return attach(p, (struct mail_attach *)m);
	case MAIL_ADOPT:
		return adopt(p, (struct mail_adopt *)m);
	case MAIL_HOLD:
		return fake_hold(p, (struct mail_hold *)m);
	case MAIL_LIBRARY:
		return fake_library(p, (struct mail_library *)m);
	case MAIL_SNAPSHOT:
		return fake_snapshot(p, (struct mail_snapshot *)m);
	case MAIL_FORGET:
		return fake_forget(p, (struct mail_snapshot *)m);
	case MAIL_STORES:
		return fake_list_stores(p, (struct mail_stores *)m);
	case MAIL_DRAIN:
		return fake_drain(p, (struct mail_drain *)m);
	case MAIL_UNLINK:
		return fake_unlink_object(p, (struct mail_unlink *)m);
	case MAIL_RECLAIM:
		((struct mail_reclaim *)m)->bytes_out = 4096;
		return 0;
	case MAIL_GROUPS:
		return fake_list_groups(p, (struct mail_groups *)m);
	case MAIL_SPACES:
		return fake_list_spaces(p, (struct mail_spaces *)m);
	case MAIL_OBJECTS:
		return fake_list_objects(p, (struct mail_objects *)m);
	case MAIL_REGIONS:
		return fake_list_regions(p, (struct mail_regions *)m);
	case MAIL_USAGE:
		return fake_count_usage(p, (struct mail_usage *)m);
	case MAIL_MAP:
		return fake_map_space(p, (struct mail_map *)m);
	case MAIL_STATS:
		return fake_stats(p, (struct mail_stats *)m);
	case MAIL_CHECK:
		return fake_check(p, (struct mail_check *)m);
	case MAIL_STOP:
		break;
	}
	return -ENOSYS;
}

static void
make_child(struct plane *p, struct fake_space *parent)
{
	struct pagerd_msg_ready ready = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_READY,
		    sizeof(ready) },
	};
	struct fake_space *s = fake_space_new(p, parent->group);

	if (s == NULL)
		return;
	ready.space_id = s->id;
	fake_tell(p, NOTICE_SPACE_NEW, s);
	send(parent->fds[0], &ready, sizeof(ready), MSG_NOSIGNAL);
}

static void
grant(struct plane *p, struct fake_space *s, int wish)
{
	int i;

	switch ((enum wish)wish) {
	case WISH_CHILD:
		make_child(p, s);
		break;
	case WISH_SCAN:
		fake_tell(p, NOTICE_SCAN, s);
		break;
	case WISH_OVER:
		for (i = 0; i < 100; i++)
			fake_tell(p, NOTICE_OVER, s);
		break;
	case WISH_MODEL:
		atomic_store(&s->gauge.model_pages, s->adopted_pages);
		atomic_store(&s->group->gauge.model_pages, s->adopted_pages);
		break;
	case WISH_ANSWER:
		if (s->held != NULL)
			planes_answer(p->planes, &s->held->m, 0);
		s->held = NULL;
		break;
	}
}

static void
client_readable(struct plane *p, struct fake_space *s)
{
	struct pagerd_msg_done done;
	ssize_t n;

	n = recv(s->fds[0], &done, sizeof(done), MSG_DONTWAIT);
	if (n == sizeof(done)) {
		grant(p, s, done.result);
	} else if (n == 0 || errno != EAGAIN) {
		fake_space_gone(p, s);
	}
}

static void
mails(struct plane *p)
{
	struct mail *m;
	bool any = false;
	int r;

	planes_fault_ack(p->planes);
	while ((m = planes_fault_receive(p->planes)) != NULL) {
		any = true;
		if (m->op == MAIL_STOP)
			p->stop = (struct mail_stop *)m;
		else if ((r = answer(p, m)) != HELD)
			planes_answer(p->planes, m, r);
	}
	if (!any)
		p->kicks++;
}

static void
finish(struct plane *p)
{
	size_t i;
	int r = 0;

	if (p->late != NULL)
		planes_answer(p->planes, &p->late->m, 0);
	for (i = 0; i < MAX; i++) {
		if (p->groups[i].id != 0 &&
		    strcmp(p->groups[i].name, "lossy") == 0)
			r = -ENOMEM;
		if (p->spaces[i].id != 0)
			fake_space_drop(p, &p->spaces[i]);
	}
	p->stop->home_pages = 42;
	p->stop->lost_pages = r < 0 ? 7 : 0;
	p->stop->nlost_spaces = r < 0 ? 1 : 0;
	planes_answer(p->planes, &p->stop->m, r);
}

/* => a file that must go before the stop is answered: the test's lever */
static bool
held(void)
{
	const char *path = getenv("FAKE_HOLD");

	return path != NULL && access(path, F_OK) == 0;
}

static void *
loop(void *arg)
{
	struct plane *p = arg;
	struct fake_space *of[MAX + 1];
	struct pollfd fds[MAX + 1];
	nfds_t i, n;

	while (p->stop == NULL || held()) {
		fds[0] =
		    (struct pollfd){ planes_fault_fd(p->planes), POLLIN, 0 };
		n = 1;
		for (i = 0; i < MAX; i++) {
			if (p->spaces[i].id == 0 || p->spaces[i].nfds == 0)
				continue;
			of[n] = &p->spaces[i];
			fds[n] = (struct pollfd){ of[n]->fds[0], POLLIN, 0 };
			n++;
		}
		if (poll(fds, n, p->stop == NULL ? -1 : 10) <= 0)
			continue;
		for (i = 1; i < n; i++) {
			if (fds[i].revents != 0 && of[i]->id != 0)
				client_readable(p, of[i]);
		}
		if (fds[0].revents != 0)
			mails(p);
	}
	finish(p);
	return NULL;
}

int
plane_start(struct planes *planes, const struct stack_spec *stacks,
    uint32_t nstacks, bool dedup, struct plane **pp)
{
	struct plane *p = calloc(1, sizeof(*p));

	(void)dedup;
	if (p == NULL)
		return -ENOMEM;
	memcpy(p->stacks, stacks, nstacks * sizeof(*stacks));
	p->nstacks = nstacks;
	p->planes = planes;
	if (pthread_create(&p->thread, NULL, loop, p) != 0) {
		free(p);
		return -EAGAIN;
	}
	*pp = p;
	return 0;
}

void
plane_join(struct plane *p)
{
	pthread_join(p->thread, NULL);
	free(p);
}
