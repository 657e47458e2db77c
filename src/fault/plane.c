/*
 * plane.c: the fault plane's thread: wait, dispatch, tick
 */
#include "plane.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include "backend.h"
#include "pager.h"
#include "parcel.h"
#include "planes.h"
#include "ring.h"
#include "stores.h"
#include "worker.h"

#define RING_ENTRIES 4096
#define EVENTS 64
#define WORKS 1024u         /* of all stores, at a time */
#define PATIENCE_US 1000000 /* at the end, with whoever serves files */

/*
 * Cookies: of a space, its id, which is never 0, and the source; or the number
 * of a store; or one of the others.
 */
#define COOKIE_BITS 2
#define COOKIE_KIND 3u
#define COOKIE_STORE 2u
#define COOKIE_OTHER 3u

enum other {
	OTHER_MAIL,
	OTHER_END,
	OTHER_PACKED,
	OTHER_WORKED,
};

struct plane {
	struct planes *planes; /* any: see planes.h */
	struct pager *pager;   /* fault thread */
	struct ring *ring;     /* fault thread */
	struct worker *packer; /* any: see worker.h */
	struct worker *worker; /* the stores': what may block */
	int end_fd;            /* eventfd: plane_join() wants us gone */
	bool end;              /* fault thread */
	bool hangs;            /* const when ended is posted */
	sem_t ended;           /* the fault thread does nothing more */
	pthread_t thread;
};

static uint64_t
clock_ns(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t
clock_us(void)
{
	return clock_ns(NULL) / 1000;
}

static uint64_t
cookie_of(uint64_t space, enum pager_source source)
{
	return space << COOKIE_BITS | source;
}

static int
watch(void *ctx, int fd, uint64_t space, enum pager_source source)
{
	struct plane *pl = ctx;

	return ring_watch(pl->ring, fd, cookie_of(space, source));
}

static void
unwatch(void *ctx, int fd, uint64_t space, enum pager_source source)
{
	struct plane *pl = ctx;

	(void)space;
	(void)source;
	(void)ring_unwatch(pl->ring, fd);
}

static int
read_file(void *ctx, int fd, void *buf, uint32_t len, uint64_t at,
    uint32_t cookie)
{
	struct plane *pl = ctx;

	return ring_read(pl->ring, fd, buf, len, at, cookie);
}

static void
close_file(void *ctx, int fd)
{
	struct plane *pl = ctx;

	ring_close(pl->ring, fd);
}

static void
pack(void *ctx, struct parcel *pc)
{
	struct plane *pl = ctx;

	worker_send(pl->packer, &pc->work);
}

static void
stays(void *ctx, int cpu)
{
	struct plane *pl = ctx;

	worker_avoid(pl->packer, cpu);
}

static void
work(void *ctx, struct work *w)
{
	struct plane *pl = ctx;

	worker_send(pl->worker, w);
}

static void
receive_packed(struct plane *pl)
{
	struct work *w;

	worker_ack(pl->packer);
	while ((w = worker_receive(pl->packer)) != NULL)
		pager_packed(pl->pager, parcel_of(w));
}

static void
receive_worked(struct plane *pl)
{
	struct work *w;

	worker_ack(pl->worker);
	while ((w = worker_receive(pl->worker)) != NULL)
		pager_worked(pl->pager, w);
}

static void
receive_mail(struct plane *pl)
{
	struct mail *m;

	planes_fault_ack(pl->planes);
	while ((m = planes_fault_receive(pl->planes)) != NULL)
		pager_mail(pl->pager, m);
}

static void
dispatch_other(struct plane *pl, enum other what)
{
	switch (what) {
	case OTHER_MAIL:
		receive_mail(pl);
		break;
	case OTHER_END:
		pl->end = true;
		break;
	case OTHER_PACKED:
		receive_packed(pl);
		break;
	case OTHER_WORKED:
		receive_worked(pl);
		break;
	}
}

static void
dispatch(struct plane *pl, const struct ring_event *ev)
{
	uint64_t data = ev->cookie >> COOKIE_BITS;
	unsigned int kind = ev->cookie & COOKIE_KIND;

	if (ev->read)
		pager_read_done(pl->pager, (uint32_t)ev->cookie, ev->result);
	else if (kind == COOKIE_OTHER)
		dispatch_other(pl, (enum other)data);
	else if (kind == COOKIE_STORE)
		pager_store_ready(pl->pager, (uint32_t)data);
	else
		pager_readable(pl->pager, data, (enum pager_source)kind);
}

static void
loop(struct plane *pl)
{
	struct ring_event events[EVENTS];

	while (!pl->end) {
		uint64_t at = pager_tick(pl->pager), now = clock_us();
		uint64_t wait = at == UINT64_MAX ? at : at > now ? at - now : 0;
		bool late = ring_has_reports(pl->ring);
		int n = ring_wait(pl->ring, wait, events, EVENTS);

		pager_looked(pl->pager, late);
		for (int i = 0; i < n; i++)
			dispatch(pl, &events[i]);
	}
}

/* Files that clients have mapped are read and closed until then. */
static void
finish(struct plane *pl)
{
	uint64_t until = clock_us() + PATIENCE_US, now;
	struct ring_event events[EVENTS];

	while (ring_pending(pl->ring) > 0 && (now = clock_us()) < until)
		(void)ring_wait(pl->ring, until - now, events, EVENTS);
	pl->hangs = ring_pending(pl->ring) > 0;
	(void)sem_post(&pl->ended);
	/* A thread ends after its reads, a process does not wait for them. */
	while (pl->hangs)
		(void)pause();
}

static void *
plane_main(void *arg)
{
	struct plane *pl = arg;

	(void)prctl(PR_SET_NAME, "pagerd-fault");
	/* No page of our own may be out when a client waits for it. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	loop(pl);
	finish(pl);
	return NULL;
}

static void
plane_delete(struct plane *pl)
{
	worker_join(pl->packer);
	worker_join(pl->worker);
	pager_delete(pl->pager);
	ring_delete(pl->ring);
	if (pl->end_fd >= 0)
		(void)close(pl->end_fd);
	(void)sem_destroy(&pl->ended);
	free(pl);
}

static int
watch_other(struct plane *pl, int fd, enum other what)
{
	return ring_watch(pl->ring, fd,
	    (uint64_t)what << COOKIE_BITS | COOKIE_OTHER);
}

/* Their numbers are as stores.c counts them. */
static int
watch_stores(struct plane *pl, const struct stack_spec *stacks,
    uint32_t nstacks)
{
	uint64_t number = 0;
	int r = 0;

	for (uint32_t i = 0; i < nstacks; i++)
		for (uint32_t k = 0; r == 0 && k < stacks[i].n; k++, number++)
			if (backend_fd(stacks[i].tiers[k]) >= 0)
				r = ring_watch(pl->ring,
				    backend_fd(stacks[i].tiers[k]),
				    number << COOKIE_BITS | COOKIE_STORE);
	return r;
}

static int
watch_others(struct plane *pl)
{
	int r = watch_other(pl, worker_fd(pl->packer), OTHER_PACKED);

	if (r == 0)
		r = watch_other(pl, worker_fd(pl->worker), OTHER_WORKED);
	if (r == 0)
		r = watch_other(pl, planes_fault_fd(pl->planes), OTHER_MAIL);
	if (r == 0)
		r = watch_other(pl, pl->end_fd, OTHER_END);
	return r;
}

static int
plane_open(struct plane *pl, const struct stack_spec *stacks, uint32_t nstacks,
    bool dedup)
{
	const struct pager_host host = {
		.watch = watch,
		.unwatch = unwatch,
		.now_ns = clock_ns,
		.read = read_file,
		.close = close_file,
		.pack = pack,
		.work = work,
		.stays = stays,
		.ctx = pl,
	};
	struct pager_config config;
	int r;

	pl->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pl->end_fd < 0)
		return -errno;
	r = ring_new(RING_ENTRIES, &pl->ring);
	if (r < 0)
		return r;
	pager_config_default(&config);
	config.dedup = dedup;
	if (getrandom(config.dedup_key, sizeof(config.dedup_key), 0) < 0)
		return -errno;
	r = worker_start("pagerd-packer", config.max_spaces + PARCELS_MOVING,
	    &pl->packer);
	if (r == 0)
		r = worker_start("pagerd-worker", WORKS, &pl->worker);
	if (r == 0)
		r = pager_new(&config, pl->planes, stacks, nstacks, &host,
		    &pl->pager);
	if (r == 0)
		r = watch_others(pl);
	return r < 0 ? r : watch_stores(pl, stacks, nstacks);
}

int
plane_start(struct planes *planes, const struct stack_spec *stacks,
    uint32_t nstacks, bool dedup, struct plane **out)
{
	struct plane *pl = calloc(1, sizeof(*pl));
	int r;

	if (pl == NULL)
		return -ENOMEM;
	pl->planes = planes;
	pl->end_fd = -1;
	(void)sem_init(&pl->ended, 0, 0);
	r = plane_open(pl, stacks, nstacks, dedup);
	if (r == 0)
		r = -pthread_create(&pl->thread, NULL, plane_main, pl);
	if (r < 0) {
		plane_delete(pl);
		return r;
	}
	*out = pl;
	return 0;
}

void
plane_join(struct plane *pl)
{
	uint64_t one = 1;

	while (write(pl->end_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	while (sem_wait(&pl->ended) < 0 && errno == EINTR)
		;
	if (pl->hangs)
		return;
	(void)pthread_join(pl->thread, NULL);
	plane_delete(pl);
}
