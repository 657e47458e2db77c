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

#include "pager.h"
#include "planes.h"
#include "ring.h"

#define RING_ENTRIES 4096
#define EVENTS 64
#define PATIENCE_US 1000000 /* at the end, with whoever serves files */

/* Cookies: a space's id is never 0. */
#define COOKIE_MAIL 1u
#define COOKIE_END 2u
#define COOKIE_BITS 2
#define COOKIE_SOURCE 3

struct plane {
	struct planes *planes; /* any: see planes.h */
	struct pager *pager;   /* fault thread */
	struct ring *ring;     /* fault thread */
	int end_fd;            /* eventfd: plane_join() wants us gone */
	bool end;              /* fault thread */
	bool hangs;            /* const when ended is posted */
	sem_t ended;           /* the fault thread does nothing more */
	pthread_t thread;
};

static uint64_t
clock_us(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
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
receive_mail(struct plane *pl)
{
	struct mail *m;

	planes_fault_ack(pl->planes);
	while ((m = planes_fault_receive(pl->planes)) != NULL)
		pager_mail(pl->pager, m);
}

static void
dispatch(struct plane *pl, const struct ring_event *ev)
{
	uint64_t cookie = ev->cookie;

	if (ev->read)
		pager_read_done(pl->pager, (uint32_t)cookie, ev->result);
	else if (cookie == COOKIE_MAIL)
		receive_mail(pl);
	else if (cookie == COOKIE_END)
		pl->end = true;
	else
		pager_readable(pl->pager, cookie >> COOKIE_BITS,
		    (enum pager_source)(cookie & COOKIE_SOURCE));
}

static void
loop(struct plane *pl)
{
	struct ring_event events[EVENTS];

	while (!pl->end) {
		uint64_t at = pager_tick(pl->pager), now = clock_us(NULL);
		uint64_t wait = at == UINT64_MAX ? at : at > now ? at - now : 0;
		int n = ring_wait(pl->ring, wait, events, EVENTS);

		for (int i = 0; i < n; i++)
			dispatch(pl, &events[i]);
	}
}

/* Files that clients have mapped are read and closed until then. */
static void
finish(struct plane *pl)
{
	uint64_t until = clock_us(NULL) + PATIENCE_US, now;
	struct ring_event events[EVENTS];

	while (ring_pending(pl->ring) > 0 && (now = clock_us(NULL)) < until)
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
	pager_delete(pl->pager);
	ring_delete(pl->ring);
	if (pl->end_fd >= 0)
		(void)close(pl->end_fd);
	(void)sem_destroy(&pl->ended);
	free(pl);
}

static int
plane_open(struct plane *pl, struct backend *store, bool dedup)
{
	const struct pager_host host = {
		.watch = watch,
		.unwatch = unwatch,
		.now_us = clock_us,
		.read = read_file,
		.close = close_file,
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
	r = pager_new(&config, pl->planes, store, &host, &pl->pager);
	if (r == 0)
		r = ring_watch(pl->ring, planes_fault_fd(pl->planes),
		    COOKIE_MAIL);
	if (r == 0)
		r = ring_watch(pl->ring, pl->end_fd, COOKIE_END);
	return r;
}

int
plane_start(struct planes *planes, struct backend *store, bool dedup,
    struct plane **out)
{
	struct plane *pl = calloc(1, sizeof(*pl));
	int r;

	if (pl == NULL)
		return -ENOMEM;
	pl->planes = planes;
	pl->end_fd = -1;
	(void)sem_init(&pl->ended, 0, 0);
	r = plane_open(pl, store, dedup);
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
