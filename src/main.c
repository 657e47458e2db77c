/*
 * main.c: pagerd
 *
 *	options, configuration --> features --> sockets --> stores
 *	    --> fault plane (a thread) --> control plane (this thread)
 *
 * Each step that fails says so in one line and ends the daemon; what the
 * earlier ones made is given back in cleanup().
 */
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "feature.h"
#include "listen.h"
#include "log.h"
#include "options.h"
#include "plane.h"
#include "planes.h"
#include "settings.h"
#include "stacks.h"

#define DAEMON_NICE (-15)
#define DEVICE "/dev/userfaultfd"

struct boot {
	struct options options;
	bool user; /* a user's own instance */
	struct settings settings;
	struct features features;
	struct listeners listeners;
	int device; /* -1: not open */
	struct stacks stacks;
	struct planes *planes;
	char err[512];
};

static int
override(struct boot *b, const char *name, const char *value)
{
	char err[256];
	int r;

	if (value == NULL)
		return 0;
	r = settings_set(&b->settings, "daemon", name, value, err, sizeof(err));
	if (r < 0)
		snprintf(b->err, sizeof(b->err), "--%s: %s", name, err);
	return r;
}

static int
configure(struct boot *b)
{
	const struct options *o = &b->options;
	int r;

	b->user = o->user || geteuid() != 0;
	r = settings_init(&b->settings, b->user);
	if (r == 0 && !(o->private && o->config == NULL))
		r = settings_load(&b->settings, b->user, o->config, b->err,
		    sizeof(b->err));
	if (r == 0)
		r = override(b, "log-level", o->log_level);
	if (r == 0)
		r = override(b, "store", o->store);
	if (r == 0)
		r = override(b, "socket-dir", o->socket_dir);
	b->settings.private = o->private;
	if (r == 0)
		r = settings_settle(&b->settings, b->err, sizeof(b->err));
	if (r == 0)
		log_set_level(b->settings.log_level);
	return r;
}

/* => the first error stops the start, with what to do about it */
static int
check_features(struct boot *b)
{
	struct finding f[FINDINGS_MAX];
	size_t i, n;

	features_probe(&b->features);
	n = features_findings(&b->features, f, FINDINGS_MAX);
	for (i = 0; i < n; i++) {
		if (f[i].level == FINDING_WARNING)
			log_warning("%s: %s", f[i].text, f[i].advice);
		if (f[i].level != FINDING_ERROR)
			continue;
		snprintf(b->err, sizeof(b->err),
		    "%s: %s (pagerctl doctor shows everything)", f[i].text,
		    f[i].advice);
		return -ENOTSUP;
	}
	b->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (b->device >= 0)
		return 0;
	snprintf(b->err, sizeof(b->err), "%s: %s", DEVICE, strerror(errno));
	return -errno;
}

/*
 * A program near its limit grows by a MiB in less than a millisecond, and one
 * that faults waits for us: no time slice of anybody else may come first.  We
 * only ever run for a client that waits.  Without the right to real-time
 * scheduling, a high weight.
 */
static void
be_prompt(void)
{
	const struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_RR, &param) < 0)
		setpriority(PRIO_PROCESS, 0, DAEMON_NICE);
}

/* A client costs six descriptors or so. */
static void
raise_limits(void)
{
	struct rlimit rl;

	be_prompt();

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* Signals are the control plane's: the fault plane's thread blocks them. */
static int
start_plane(struct boot *b, struct plane **plane)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = plane_start(b->planes, b->stacks.specs, b->stacks.nspecs,
	    b->settings.dedup, plane);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r < 0)
		snprintf(b->err, sizeof(b->err),
		    "the fault plane cannot start: %s", strerror(-r));
	return r;
}

static int
prepare(struct boot *b)
{
	int r;

	r = configure(b);
	if (r == 0)
		r = check_features(b);
	if (r == 0)
		r = listeners_open(&b->listeners, b->settings.socket_dir,
		    b->settings.private, b->err, sizeof(b->err));
	if (r == 0)
		r = stacks_open(&b->stacks, &b->settings.stores, b->err,
		    sizeof(b->err));
	if (r == 0)
		r = planes_new(&b->planes);
	return r;
}

static int
run(struct boot *b)
{
	const struct control_setup setup = {
		.settings = &b->settings,
		.features = &b->features,
		.planes = b->planes,
		.listeners = &b->listeners,
		.device = b->device,
	};
	struct plane *plane;
	int r;

	r = start_plane(b, &plane);
	if (r < 0)
		return r;
	r = control_run(&setup);
	plane_join(plane);
	return r;
}

static void
cleanup(struct boot *b)
{
	planes_delete(b->planes);
	stacks_close(&b->stacks);
	listeners_close(&b->listeners);
	settings_fini(&b->settings);
	if (b->device >= 0)
		close(b->device);
}

int
main(int argc, char **argv)
{
	static struct boot boot = {
		.device = -1,
		.listeners = { .client = -1, .control = -1 },
	};
	int r;

	if (options_parse(&boot.options, argc, argv) < 0)
		return EXIT_FAILURE;
	if (boot.options.help) {
		options_help();
		return EXIT_SUCCESS;
	}
	if (boot.options.version) {
		printf("pagerd %s\n", PAGERD_VERSION);
		return EXIT_SUCCESS;
	}
	raise_limits();
	r = prepare(&boot);
	if (r == 0)
		r = run(&boot);
	if (r < 0 && boot.err[0] != '\0')
		log_error("%s", boot.err);
	else if (r == -ENOMEM)
		log_error("it ended for want of memory");
	cleanup(&boot);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
