#include "worker.h"

#include <sys/prctl.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "assert.h"
#include "mailbox.h"
#include "place.h"

struct worker {
	struct mailbox *in;  /* from the fault thread */
	struct mailbox *out; /* to it */
	_Atomic int avoid;   /* by the fault thread: a CPU, or -1 */
	int avoids;          /* its own: what it does avoid */
	const char *name;
	pthread_t thread;
};

static struct work the_end; /* sent last */

static void
move_away(struct worker *k)
{
	int cpu = atomic_load(&k->avoid);

	if (cpu == k->avoids)
		return;
	k->avoids = cpu;
	place_avoid(cpu);
}

static bool
do_all(struct worker *k)
{
	struct work *w;

	mailbox_ack(k->in);
	while ((w = mailbox_receive(k->in)) != NULL) {
		if (w == &the_end)
			return false;
		move_away(k);
		w->run(w);
		if (mailbox_send(k->out, w) < 0)
			ASSERT(!"there is room for all of them");
	}
	return true;
}

static void *
worker_main(void *arg)
{
	const struct sched_param param = { 0 };
	struct worker *k = arg;
	struct pollfd pfd = { .fd = mailbox_fd(k->in), .events = POLLIN };

	(void)prctl(PR_SET_NAME, k->name);
	/* Clients that fault are served before it. */
	(void)sched_setscheduler(0, SCHED_OTHER, &param);
	do
		(void)poll(&pfd, 1, -1);
	while (do_all(k));
	return NULL;
}

static void
worker_delete(struct worker *k)
{
	mailbox_delete(k->in);
	mailbox_delete(k->out);
	free(k);
}

int
worker_start(const char *name, uint32_t max, struct worker **out)
{
	struct worker *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return -ENOMEM;
	k->name = name;
	k->avoids = -1;
	atomic_store(&k->avoid, -1);
	r = mailbox_new(max + 1, &k->in);
	if (r == 0)
		r = mailbox_new(max, &k->out);
	if (r == 0)
		r = -pthread_create(&k->thread, NULL, worker_main, k);
	if (r < 0) {
		worker_delete(k);
		return r;
	}
	*out = k;
	return 0;
}

void
worker_join(struct worker *k)
{
	if (k == NULL)
		return;
	worker_send(k, &the_end);
	(void)pthread_join(k->thread, NULL);
	worker_delete(k);
}

void
worker_send(struct worker *k, struct work *w)
{
	if (mailbox_send(k->in, w) < 0)
		ASSERT(!"there is room for all of them");
}

int
worker_fd(const struct worker *k)
{
	return mailbox_fd(k->out);
}

void
worker_ack(struct worker *k)
{
	mailbox_ack(k->out);
}

struct work *
worker_receive(struct worker *k)
{
	return mailbox_receive(k->out);
}

void
worker_avoid(struct worker *k, int cpu)
{
	atomic_store(&k->avoid, cpu);
}
