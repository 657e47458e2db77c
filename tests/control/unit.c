/*
 * unit.c: the pure parts of the control plane
 *
 * control-unit SMAPS: SMAPS is a file with captured text of /proc/PID/smaps.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alarm.h"
#include "assert.h"
#include "feature.h"
#include "frame.h"
#include "hello.h"
#include "pace.h"
#include "packet.h"
#include "planes.h"
#include "settings.h"
#include "smaps.h"

struct seen {
	unsigned int vmas, adoptable;
	uint64_t start[64]; /* of the adoptable ones */
	uint64_t pss_bytes;
};

static const char *smaps_path;

static void
see(const struct smaps_vma *v, void *ctx)
{
	struct seen *s = ctx;

	s->vmas++;
	s->pss_bytes += smaps_pss_anon(v);
	if (!smaps_adoptable(v))
		return;
	ASSERT(s->adoptable < 64);
	s->start[s->adoptable++] = v->start;
}

static char *
read_all(size_t *len)
{
	FILE *f = fopen(smaps_path, "r");
	char *text = malloc(1 << 20);

	ASSERT(f != NULL && text != NULL);
	*len = fread(text, 1, (1 << 20) - 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

static struct seen
feed(const char *text, size_t len, size_t piece)
{
	struct seen seen = { 0 };
	struct smaps s;
	size_t n, pos;

	smaps_init(&s, see, &seen);
	for (pos = 0; pos < len; pos += n) {
		n = len - pos < piece ? len - pos : piece;
		smaps_feed(&s, text + pos, n);
	}
	smaps_end(&s);
	return seen;
}

/* The file says itself, in comments that are no smaps, what is expected. */
static void
test_smaps_captured(void)
{
	struct seen whole, bytes, odd;
	unsigned int vmas = 0, adoptable = 0;
	size_t len;
	char *text = read_all(&len);

	ASSERT(sscanf(text, "EXPECT: %u mappings, %u adoptable", &vmas,
		   &adoptable) == 2);
	whole = feed(text, len, len);
	bytes = feed(text, len, 1);
	odd = feed(text, len, 777);
	ASSERT(whole.vmas == vmas && whole.adoptable == adoptable);
	ASSERT(memcmp(&whole, &bytes, sizeof(whole)) == 0);
	ASSERT(memcmp(&whole, &odd, sizeof(whole)) == 0);
	free(text);
}

static bool
adoptable(const char *head, const char *flags)
{
	struct seen seen;
	char text[512];

	snprintf(text, sizeof(text), "%s\nVmFlags: %s\n", head, flags);
	seen = feed(text, strlen(text), 64);
	ASSERT(seen.vmas == 1);
	return seen.adoptable == 1;
}

#define ANON "7f0000000000-7f0000010000 rw-p 00000000 00:00 0 "
#define GOOD "rd wr mr mw me ac "

static void
test_smaps_rules(void)
{
	static const char *const deny[] = { "ex", "gd", "lo", "io", "pf", "um",
		"uw", "ui", "wf", "dc", "ht", "ss" };
	char flags[64];
	size_t i;

	ASSERT(adoptable(ANON, GOOD));
	ASSERT(adoptable(ANON "                    [heap]", GOOD));
	ASSERT(adoptable(ANON "                    [anon:arena 1]", GOOD));
	ASSERT(!adoptable(ANON "                   [stack]", GOOD));
	ASSERT(!adoptable(ANON "                   [vvar]", GOOD));
	ASSERT(!adoptable(ANON "                   [anon_shmem:x]", GOOD));
	ASSERT(!adoptable(ANON, "rd mr mw me ac "));
	ASSERT(!adoptable(ANON, "wr mr mw me ac "));
	ASSERT(!adoptable("7f0000000000-7f0000010000 rw-s 00000000 00:00 0 ",
	    GOOD));
	ASSERT(!adoptable("7f0000000000-7f0000010000 rw-p 00000000 fe:00 7 /x",
	    GOOD));
	ASSERT(!adoptable("7f0000000000-7f000000f000 rw-p 00000000 00:00 0 ",
	    GOOD));
	for (i = 0; i < sizeof(deny) / sizeof(deny[0]); i++) {
		snprintf(flags, sizeof(flags), GOOD "%s ", deny[i]);
		ASSERT(!adoptable(ANON, flags));
	}
}

static void
test_smaps_damaged(void)
{
	struct seen seen;
	char text[1024];

	/* No flags: nothing is known, so it is left alone. */
	seen = feed(ANON "\nPss: 4 kB\n", strlen(ANON) + 11, 5);
	ASSERT(seen.vmas == 1 && seen.adoptable == 0);
	seen = feed("7f00-zz\nrubbish\n\n", 17, 3);
	ASSERT(seen.vmas == 0);
	/* A very long name, and text that ends in the middle of a line. */
	memset(text, 'x', sizeof(text));
	memcpy(text, ANON "/", sizeof(ANON "/") - 1);
	seen = feed(text, sizeof(text), 100);
	ASSERT(seen.vmas == 0);
}

static void
test_smaps_pss(void)
{
	const char *text = ANON "\nPss: 40 kB\nPss_Dirty: 40 kB\n"
				"Anonymous: 64 kB\nVmFlags: rd wr\n"
				"7f0000020000-7f0000030000 rw-p 0 fe:00 9 /x\n"
				"Pss: 60 kB\nPss_Dirty: 8 kB\n"
				"Anonymous: 12 kB\nVmFlags: rd wr\n";
	struct seen seen = feed(text, strlen(text), 13);

	ASSERT(seen.vmas == 2 && seen.pss_bytes == 48 * 1024);
}

static void
test_smaps_self(void)
{
	struct seen seen = { 0 };
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	size_t len = 1 << 20, i;
	bool found = false;
	char *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	ASSERT(fd >= 0 && p != MAP_FAILED);
	memset(p, 1, len);
	ASSERT(smaps_read(fd, see, &seen) == 0);
	/* It may have been merged with a neighbour below it. */
	for (i = 0; i < seen.adoptable; i++)
		found = found || seen.start[i] <= (uint64_t)(uintptr_t)p;
	ASSERT(found && seen.pss_bytes >= len);
	munmap(p, len);
	close(fd);
}

static uint64_t
rollup_of_self(void)
{
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;

	ASSERT(fd >= 0 && smaps_rollup_read(fd, &bytes) == 0);
	close(fd);
	return bytes;
}

static void
test_smaps_rollup(void)
{
	size_t len = 8 << 20;
	uint64_t before = rollup_of_self(), with, shared;
	int hold[2], status;
	char *p, end;
	pid_t pid;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	ASSERT(p != MAP_FAILED && pipe(hold) == 0);
	memset(p, 1, len);
	with = rollup_of_self();
	ASSERT(with >= before + len && with < before + len + len / 4);
	pid = fork();
	if (pid == 0) {
		close(hold[1]);
		_exit(read(hold[0], &end, 1) != 0);
	}
	/* Half of what is shared by two. */
	shared = rollup_of_self();
	ASSERT(shared < before + len / 2 + len / 4);
	close(hold[0]);
	close(hold[1]);
	ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	munmap(p, len);
	ASSERT(smaps_rollup_read(-1, &shared) == -EBADF);
}

#define GIB (UINT64_C(1) << 30)
#define TEN_MS 20972 /* pages */

static uint64_t
pace_ms(struct pace *p, int64_t pages, bool moved, bool close)
{
	const struct pace_look look = {
		.pages = pages,
		.moved = moved,
		.close = close,
		.used_ns = PACE_UNKNOWN,
		.nalarms = 1,
	};
	struct pace_plan plan = pace_next(p, &look);

	ASSERT(plan.alarm_ns == PACE_UNKNOWN);
	return plan.ms;
}

static void
test_pace(void)
{
	struct pace p = { 0 };

	ASSERT(pace_ms(&p, INT64_MAX, true, false) == PACE_MAX_MS);
	ASSERT(pace_ms(&p, 0, true, false) == PACE_MIN_MS);
	ASSERT(pace_ms(&p, -5, true, true) == PACE_MIN_MS);
	/* 4 GiB away: half a second. */
	ASSERT(pace_ms(&p, 4 * GIB / 4096, true, false) == 500);
	/* Nothing moves: twice as long, but no longer than that. */
	ASSERT(pace_ms(&p, TEN_MS, false, false) == 2 * 10);
	ASSERT(pace_ms(&p, TEN_MS, false, false) == 2 * 10);
	ASSERT(pace_ms(&p, 4 * GIB / 4096, false, false) == PACE_MAX_MS);
	ASSERT(pace_ms(&p, TEN_MS, false, true) == 10);
	ASSERT(pace_ms(&p, TEN_MS, false, false) == 2 * 10);
	ASSERT(pace_ms(&p, TEN_MS, true, false) == 10);
}

#define MS UINT64_C(1000000)

/*
 * Far from the mark, whatever the processes do: the alarm, late as it may be,
 * rings before all of them together could have used the time that it takes.
 */
static void
test_pace_far(void)
{
	struct pace_look look = {
		.moved = true,
		.close = true,
		.nalarms = 1,
		.late_ns = 8 * MS,
	};
	struct pace p = { 0 };
	struct pace_plan plan;
	uint64_t span_ns;

	for (look.pages = TEN_MS; look.pages < 100 * TEN_MS; look.pages += 99) {
		look.used_ns = (uint64_t)look.pages % 3 * MS;
		look.nalarms = 1 + (uint32_t)look.pages % 4;
		look.now_ms++;
		plan = pace_next(&p, &look);
		span_ns = (uint64_t)look.pages * 4096 * 1000 /
			  (PACE_BYTES_PER_S / 1000 / 1000);
		if (span_ns / look.nalarms < look.late_ns) {
			ASSERT(plan.alarm_ns == PACE_UNKNOWN);
			continue;
		}
		ASSERT(look.nalarms * (plan.alarm_ns + look.late_ns) <=
		       span_ns);
		/* Who escapes it is found before 256 MiB/s lead there. */
		ASSERT(plan.ms <= 1 + 32 * span_ns / MS && plan.ms >= 50);
		ASSERT(plan.ms <= PACE_MAX_MS);
	}
	look.pages = INT64_MAX;
	look.nalarms = 1;
	plan = pace_next(&p, &look);
	ASSERT(plan.ms == PACE_MAX_MS && plan.alarm_ns == 992 * MS);
}

/* => looks until it is left to its alarm */
static unsigned int
fall_quiet(struct pace *p, struct pace_look *look)
{
	struct pace_plan plan;
	unsigned int n;

	for (n = 1;; n++) {
		plan = pace_next(p, look);
		if (plan.alarm_ns != PACE_UNKNOWN)
			return n;
		ASSERT(plan.ms <= PACE_QUIET_MS);
		look->now_ms += plan.ms;
	}
}

/* Near the mark: often, and only who has long been quiet is left alone. */
static void
test_pace_near(void)
{
	struct pace_look look = {
		.now_ms = 1000,
		.pages = 2048,
		.moved = true,
		.used_ns = 2 * MS,
		.nalarms = 1,
		.late_ns = 8 * MS,
	};
	struct pace p = { 0 };
	struct pace_plan plan = pace_next(&p, &look);
	uint64_t start = look.now_ms;
	unsigned int i;

	ASSERT(plan.ms == PACE_MIN_MS && plan.alarm_ns == PACE_UNKNOWN);
	look.used_ns = 0;
	ASSERT(fall_quiet(&p, &look) < 64);
	ASSERT(look.now_ms - start >= 8 * PACE_QUIET_PART);
	plan = pace_next(&p, &look);
	ASSERT(plan.ms == PACE_HIDDEN_MIN_MS && plan.alarm_ns == 0);
	/* What hardly runs is still quiet, but not for ever. */
	look.used_ns = 10000;
	for (i = 0; pace_next(&p, &look).alarm_ns == 0; i++)
		ASSERT(i < 100);
	ASSERT(i >= 10 && pace_next(&p, &look).ms == PACE_MIN_MS);
	/* Alarms that are too late are of no use here. */
	look.used_ns = 0;
	look.late_ns = 20 * MS;
	look.now_ms += 100000;
	plan = pace_next(&p, &look);
	ASSERT(plan.ms == PACE_QUIET_MS && plan.alarm_ns == PACE_UNKNOWN);
}

struct sleeper {
	pid_t pid;
	int go; /* written: it runs for 100 ms */
};

static struct sleeper
sleeper_start(void)
{
	struct sleeper s;
	clock_t end;
	int fds[2];
	char c;

	ASSERT(pipe(fds) == 0);
	s.pid = fork();
	ASSERT(s.pid >= 0);
	s.go = fds[1];
	if (s.pid > 0) {
		close(fds[0]);
		return s;
	}
	close(fds[1]);
	while (read(fds[0], &c, 1) == 1) {
		end = clock() + CLOCKS_PER_SEC / 10;
		while (clock() < end)
			continue;
	}
	_exit(0);
}

static void
test_alarm(void)
{
	struct sleeper s = sleeper_start();
	struct alarm a = { 0 };
	struct pollfd pfd = { .fd = alarms_open(), .events = POLLIN };
	uint64_t used;

	ASSERT(pfd.fd >= 0 && alarm_late_ns() >= 1 * MS);
	ASSERT(alarm_used(&a, s.pid, 42) == UINT64_MAX);
	ASSERT(a.state == ALARM_IDLE);
	/* It sleeps: nothing rings, however soon that would be. */
	do {
		usleep(10000);
	} while (alarm_used(&a, s.pid, 42) != 0);
	alarm_set(&a, 0);
	ASSERT(poll(&pfd, 1, 50) == 0 && alarms_next(pfd.fd) == 0);
	ASSERT(write(s.go, "", 1) == 1 && poll(&pfd, 1, 60000) == 1);
	ASSERT(alarms_next(pfd.fd) == 42 && alarms_next(pfd.fd) == 0);
	alarm_rang(&a);
	used = alarm_used(&a, s.pid, 42);
	ASSERT(used > 0 && used < UINT64_MAX);
	/* Cleared, or of who is gone: silence. */
	alarm_set(&a, 0);
	alarm_clear(&a);
	ASSERT(a.state == ALARM_IDLE);
	close(s.go);
	ASSERT(waitpid(s.pid, NULL, 0) == s.pid);
	ASSERT(alarm_used(&a, s.pid, 42) == UINT64_MAX);
	alarm_set(&a, 0);
	ASSERT(poll(&pfd, 1, 20) == 0);
	alarm_fini(&a);
	/* A process that we do not see has none. */
	ASSERT(alarm_used(&a, 0, 43) == UINT64_MAX && a.state == ALARM_REFUSED);
	alarm_set(&a, 0);
	alarm_fini(&a);
	close(pfd.fd);
}

static void
put(struct frame *f, const char *bytes, size_t n)
{
	size_t len, take;
	char *room;

	while (n > 0) {
		room = frame_room(f, &len);
		ASSERT(room != NULL && len > 0);
		take = n < len ? n : len;
		memcpy(room, bytes, take);
		frame_received(f, take);
		bytes += take;
		n -= take;
	}
}

static void
test_frame(void)
{
	struct frame f;
	size_t len, i;
	char *msg;

	frame_init(&f);
	ASSERT(frame_next(&f, &msg, &len) == 0);
	put(&f, "one\0two\0thr", 11);
	ASSERT(frame_next(&f, &msg, &len) == 1 && len == 3);
	ASSERT(memcmp(msg, "one", 4) == 0);
	ASSERT(frame_next(&f, &msg, &len) == 1 && memcmp(msg, "two", 4) == 0);
	ASSERT(frame_next(&f, &msg, &len) == 0);
	put(&f, "ee\0\0", 4);
	ASSERT(frame_next(&f, &msg, &len) == 1 && memcmp(msg, "three", 6) == 0);
	ASSERT(frame_next(&f, &msg, &len) == 1 && len == 0);
	for (i = 0; i < 100000; i++)
		put(&f, "0123456789", i % 10);
	ASSERT(frame_next(&f, &msg, &len) == 0);
	put(&f, "", 1);
	ASSERT(frame_next(&f, &msg, &len) == 1 && len == 450000);
	frame_fini(&f);
}

static void
test_frame_too_long(void)
{
	char *big = malloc(FRAME_MAX);
	struct frame f;
	size_t len;
	char *msg;

	ASSERT(big != NULL);
	memset(big, 'x', FRAME_MAX);
	frame_init(&f);
	put(&f, big, FRAME_MAX - 1);
	put(&f, "", 1);
	ASSERT(frame_next(&f, &msg, &len) == 1 && len == FRAME_MAX - 1);
	put(&f, big, FRAME_MAX);
	ASSERT(frame_next(&f, &msg, &len) == 0);
	put(&f, "x", 1);
	ASSERT(frame_next(&f, &msg, &len) == -EMSGSIZE);
	frame_fini(&f);
	free(big);
}

/* => the result of reading text as a configuration file */
static int
load(struct settings *s, const char *text, char *err, size_t errlen)
{
	char path[] = "/tmp/pagerd-unit.XXXXXX";
	int fd = mkstemp(path), r;

	ASSERT(fd >= 0);
	ASSERT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	ASSERT(settings_init(s, false) == 0);
	r = settings_load(s, false, path, err, errlen);
	unlink(path);
	return r;
}

static void
test_settings(void)
{
	struct group_setting *g;
	struct settings s;
	char err[512];

	ASSERT(load(&s, "# nothing\n", err, sizeof(err)) == 0);
	ASSERT(strcmp(s.store, "ram") == 0 && s.dedup && s.stores.n == 0);
	ASSERT(strcmp(s.socket_dir, "/run/pagerd") == 0);
	ASSERT(s.client_timeout_ms == 10000 && TAILQ_EMPTY(&s.groups));
	settings_fini(&s);
	ASSERT(load(&s,
		   "[daemon]\nlog-level = debug\nstore=file:/x\ndedup=no\n"
		   "client-timeout=3\n[group a.b]\nlimit=1G\nuid=65534\n"
		   "[group c]\nlimit=0\n",
		   err, sizeof(err)) == 0);
	ASSERT(s.log_level == LOG_LEVEL_DEBUG && s.client_timeout_ms == 3000);
	ASSERT(strcmp(s.store, "file:/x") == 0 && !s.dedup);
	g = TAILQ_FIRST(&s.groups);
	ASSERT(strcmp(g->name, "a.b") == 0 && g->uid == 65534);
	ASSERT(g->limit_bytes == UINT64_C(1) << 30);
	g = TAILQ_NEXT(g, entry);
	ASSERT(strcmp(g->name, "c") == 0 && g->uid == geteuid());
	settings_fini(&s);
}

static void
test_settings_bad(void)
{
	static const struct {
		const char *text, *where;
	} bad[] = {
		{ "[daemon]\nlog-level = loud\n", ":2: \"loud\"" },
		{ "[daemon]\n\ncolour = blue\n", ":3: there is no setting" },
		{ "log-level = info\n", ":1: there is no setting" },
		{ "[demon]\nlog-level = info\n", ":2: there is no setting" },
		{ "[group]\nlimit = 1G\n", ":2: \"\" cannot" },
		{ "[daemon x]\ndedup = no\n", ":2: there is no setting" },
		{ "[group a b]\nlimit = 1G\n", ":2: \"a b\" cannot" },
		{ "[group a]\nlimit = lots\n", ":2: \"lots\"" },
		{ "[group a]\nlimit = 1M\n", ":2: \"1M\"" },
		{ "[group a]\nuid = no-such-user-here\n", ":2: \"no-such" },
		{ "[group a]\nuid = -1\n", ":2: \"-1\"" },
		{ "[daemon]\nclient-timeout = 0\n", ":2: \"0\"" },
		{ "[daemon]\nclient-timeout = 1x\n", ":2: \"1x\"" },
		{ "[daemon]\nsocket-dir = here\n", ":2: \"here\"" },
		{ "[daemon]\nstore =\n", ":2: tier 0 has no name" },
		{ "[daemon]\nstore = ram,,ram\n", ":2: tier 1 has no name" },
		{ "[store]\nspec = ram\n", ":2: \"\" cannot" },
		{ "[store a/b]\nspec = ram\n", ":2: \"a/b\" cannot" },
		{ "[store default]\nspec = ram\n", ":2: \"default\" cannot" },
		{ "[store aaaaaaaaaabbbbbbbbbbccccccccccdd]\nspec = ram\n",
		    "at most 31" },
		{ "[store a]\nspec =\n", ":2: tier 0 has no name" },
		{ "[store a]\nsize = 1G\n", ":2: there is no setting" },
		{ "[group a]\nstore = ram:1G\n", ":2: \"ram:1G\"" },
		{ "[group a]\nstore =\n", ":2: \"\"" },
		{ "[daemon]\ndedup = perhaps\n", ":2: \"perhaps\"" },
		{ "[daemon]\nrubbish\n", ":2: neither" },
		{ "[daemon\n", ":1: neither" },
	};
	struct settings s;
	char err[512];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ASSERT(load(&s, bad[i].text, err, sizeof(err)) < 0);
		if (strstr(err, bad[i].where) == NULL)
			fprintf(stderr, "%zu: %s\n", i, err);
		ASSERT(strstr(err, bad[i].where) != NULL);
		settings_fini(&s);
	}
	ASSERT(settings_init(&s, false) == 0);
	ASSERT(settings_load(&s, false, "/nonexistent", err, sizeof(err)) ==
	       -ENOENT);
	ASSERT(settings_load(&s, false, "/", err, sizeof(err)) == -EISDIR);
	settings_fini(&s);
}

/* Of a file that is right. */
static void
settle(struct settings *s, const char *text, const char *store)
{
	char err[512];

	ASSERT(load(s, text, err, sizeof(err)) == 0);
	if (store != NULL)
		ASSERT(settings_set(s, "daemon", "store", store, err,
			   sizeof(err)) == 0);
	ASSERT(settings_settle(s, err, sizeof(err)) == 0);
}

#define TWO_STORES                                                             \
	"[group g]\nstore=fast\n"                                              \
	"[store slow]\nspec=null\n[store fast]\nspec=ram:8M,null:1G\n"

static void
test_stores(void)
{
	const struct catalog_store *c;
	char text[CATALOG_TEXT_MAX];
	struct settings s;

	settle(&s, TWO_STORES, NULL);
	c = catalog_at(&s.stores, 0);
	ASSERT(s.stores.n == 3 && s.stores.ntiers == 4);
	ASSERT(strcmp(c->name, STORE_UNNAMED) == 0 && c->number == 0);
	ASSERT(strcmp(c->spec.tiers[0], "ram") == 0);
	c = catalog_find(&s.stores, "fast");
	ASSERT(c->number == 2 && c == catalog_at(&s.stores, 2));
	ASSERT(c->spec.n == 2 && strcmp(c->spec.tiers[1], "null:1G") == 0);
	ASSERT(strcmp(catalog_text(&s.stores, text), "default, slow, fast") ==
	       0);
	ASSERT(catalog_at(&s.stores, 3) == NULL);
	ASSERT(catalog_find(&s.stores, "ram") == NULL);
	settings_fini(&s);
}

/* A section's name comes before what else it may mean. */
static void
test_default_store(void)
{
	struct settings s;

	settle(&s, TWO_STORES, "fast");
	ASSERT(s.stores.n == 2 && s.stores.ntiers == 3);
	ASSERT(strcmp(catalog_at(&s.stores, 0)->name, "fast") == 0);
	ASSERT(strcmp(catalog_at(&s.stores, 1)->name, "slow") == 0);
	settings_fini(&s);
	settle(&s, "[store ram]\nspec=null\n[store ram]\nspec=ram:1G\n", "ram");
	ASSERT(s.stores.n == 1);
	ASSERT(strcmp(catalog_at(&s.stores, 0)->spec.tiers[0], "ram:1G") == 0);
	settings_fini(&s);
}

static void
test_stores_bad(void)
{
	char text[2048] = "", err[512];
	struct settings s;
	char i;

	ASSERT(load(&s, TWO_STORES "[group g]\nstore=fats\n", err,
		   sizeof(err)) == 0);
	ASSERT(settings_settle(&s, err, sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, "group g: there is no store \"fats\"") != NULL);
	ASSERT(strstr(err, "default, slow, fast") != NULL);
	settings_fini(&s);
	/* Of many only the first are named. */
	for (i = 'a'; i <= 'z'; i++)
		sprintf(text + strlen(text),
		    "[store %c-with-a-long-name-indeed]\nspec=ram\n", i);
	strcat(text, "[group g]\nstore=no\n");
	ASSERT(load(&s, text, err, sizeof(err)) == 0);
	ASSERT(settings_settle(&s, err, sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, "a-with-a-long-name-indeed") != NULL);
	settings_fini(&s);
}

/* A line of file, with a value of so many characters. */
static void
long_line(char *text, size_t len)
{
	size_t n = strlen(text);

	strcpy(text + n, "spec = ");
	n += strlen(text + n);
	memset(text + n, 'x', len);
	strcpy(text + n + len, "\n");
}

/* libinih takes 199 characters, the end of the line among them. */
static void
test_long_lines(void)
{
	char text[1024] = "[store a]\n", err[512];
	struct settings s;

	long_line(text, 191);
	settle(&s, text, "a");
	ASSERT(strlen(catalog_at(&s.stores, 0)->spec.tiers[0]) == 191);
	settings_fini(&s);
	text[strlen(text) - 1] = '\0'; /* without a newline at its end */
	settle(&s, text, "a");
	settings_fini(&s);
	strcpy(text, "[store a]\n");
	long_line(text, 192);
	ASSERT(load(&s, text, err, sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, ":2: the line is too long") != NULL);
	settings_fini(&s);
	strcpy(text, "[store a]\nspec = ram\n # ");
	long_line(text, 500);
	strcat(text, "spec = null\n");
	settle(&s, text, "a");
	ASSERT(strcmp(catalog_at(&s.stores, 0)->spec.tiers[0], "null") == 0);
	settings_fini(&s);
}

static void
test_lines_that_go_on(void)
{
	const struct spec *spec;
	struct settings s;
	char err[512];

	settle(&s,
	    "[store a]\n  spec = ram:8M,\n# the rest\n\tnull:1G ; slow\n"
	    "[group g]\n limit = 1G\n",
	    "a");
	spec = &catalog_at(&s.stores, 0)->spec;
	ASSERT(spec->n == 2 && strcmp(spec->tiers[0], "ram:8M") == 0);
	ASSERT(strcmp(spec->tiers[1], "null:1G") == 0);
	ASSERT(TAILQ_FIRST(&s.groups)->limit_bytes == UINT64_C(1) << 30);
	settings_fini(&s);
	/* What is wrong is so where it begins. */
	ASSERT(load(&s, "[store a]\n\nspec = ram,\n ,null\n\nspec = ram\n", err,
		   sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, ":3: tier 1 has no name") != NULL);
	settings_fini(&s);
	ASSERT(load(&s, "[daemon]\ndedup = no\n log-level = info\n", err,
		   sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, ":2: \"no log-level = info\"") != NULL);
	settings_fini(&s);
}

/* libinih would cut the name, and another group would get the limit. */
static void
test_long_sections(void)
{
	char text[128], err[512];
	struct settings s;

	sprintf(text, "[group %.43s]\nlimit = 1G\n",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee");
	settle(&s, text, NULL);
	ASSERT(strlen(TAILQ_FIRST(&s.groups)->name) == 43);
	settings_fini(&s);
	sprintf(text, "[group %.44s]\nlimit = 1G\n",
	    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee");
	ASSERT(load(&s, text, err, sizeof(err)) == -EINVAL);
	ASSERT(strstr(err, ":1: the name of the section") != NULL);
	settings_fini(&s);
}

static struct packet
good_hello(void)
{
	struct packet p = { .len = sizeof(p.u.hello), .nfds = PAGERD_FDS_EXEC };

	p.u.hello = (struct pagerd_msg_hello){
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_HELLO,
		    sizeof(p.u.hello) },
		.kind = PAGERD_HELLO_EXEC,
		.area_start = 0x7f0000000000,
		.area_len = 0x200000,
		.stage_start = 0x7f0000100000,
		.anchor_start = 0x7e0000000000,
	};
	return p;
}

#define REFUSED(change)                                                        \
	do {                                                                   \
		struct packet p = good_hello();                                \
		struct pagerd_msg_hello *h = &p.u.hello;                       \
		change;                                                        \
		(void)h;                                                       \
		ASSERT(hello_check(&p, false) != NULL);                        \
	} while (0)

static void
test_hello(void)
{
	struct packet good = good_hello();

	ASSERT(hello_check(&good, false) == NULL);
	good.u.hello.kind = PAGERD_HELLO_FORK;
	good.nfds = PAGERD_FDS_FORK;
	ASSERT(hello_check(&good, false) == NULL);
	REFUSED(p.len = 4);
	REFUSED(p.len--);
	REFUSED(h->hdr.version++);
	REFUSED(h->hdr.type = PAGERD_MSG_DONE);
	REFUSED(h->hdr.size++);
	REFUSED(h->kind = 0);
	REFUSED(h->kind = 3);
	REFUSED(p.nfds--);
	REFUSED(h->kind = PAGERD_HELLO_FORK);
	REFUSED(h->area_start = 0);
	REFUSED(h->area_start++);
	REFUSED(h->area_start = UINT64_MAX & ~UINT64_C(4095));
	REFUSED(h->area_len = 0);
	REFUSED(h->area_len = (UINT64_C(1) << 56) - 4096);
	REFUSED(h->stage_start = 0);
	REFUSED(h->stage_start += 1);
	REFUSED(h->stage_start = h->area_start - 4096);
	REFUSED(h->stage_start += 4096);
	REFUSED(h->anchor_start = 0);
	REFUSED(h->anchor_start += 8);
	REFUSED(h->anchor_start = h->area_start);
	REFUSED(h->anchor_start = h->area_start + h->area_len - 4096);
}

static void
test_features(void)
{
	struct finding f[FINDINGS_MAX];
	struct features features;
	size_t i, n;
	bool seen = false;

	setenv("PAGERD_MASK_FEATURES", "poison,nonsense,move", 1);
	features_probe(&features);
	unsetenv("PAGERD_MASK_FEATURES");
	ASSERT(!features.poison && !features.move && features.memfd);
	n = features_findings(&features, f, FINDINGS_MAX);
	ASSERT(n > 8);
	for (i = 0; i < n; i++) {
		ASSERT((f[i].level == FINDING_OK) == (f[i].advice == NULL));
		if (strcmp(f[i].name, "move") == 0)
			seen = f[i].level == FINDING_ERROR;
	}
	ASSERT(seen);
	ASSERT(features_findings(&features, f, 1) == 1);
}

static int ndone, nnotices;

static void
done(struct mail *m)
{
	ASSERT(m->result == -7);
	ndone++;
}

static void
notice(const struct notice *n, void *ctx)
{
	ASSERT(ctx == &nnotices && n->kind == NOTICE_OVER);
	nnotices++;
}

/* Both planes on one thread: every queue is filled up and emptied again. */
static void
test_planes(void)
{
	struct mail m = { .op = MAIL_STATS, .done = done };
	struct mail stop = { .op = MAIL_STOP, .done = done };
	struct planes *p;
	struct notice *n;
	int asked, noticed;

	ASSERT(planes_new(&p) == 0);
	for (asked = 0; planes_ask(p, &m) == 0; asked++)
		continue;
	ASSERT(asked >= 1024);
	/* However busy it is, it can be stopped. */
	ASSERT(planes_ask(p, &stop) == 0);
	ASSERT(planes_ask(p, &stop) == -ENOBUFS);
	asked++;
	planes_fault_ack(p);
	while (planes_fault_receive(p) != NULL)
		planes_answer(p, &m, -7);
	/* The answers have filled nothing that notices need. */
	for (noticed = 0; (n = planes_notice(p, NOTICE_OVER)) != NULL;
	     noticed++)
		planes_notify(p, n);
	ASSERT(noticed >= 64);
	ASSERT(planes_ask(p, &m) == -ENOBUFS);
	planes_control_dispatch(p, notice, &nnotices);
	ASSERT(ndone == asked && nnotices == noticed);
	ASSERT(planes_ask(p, &m) == 0);
	ASSERT(planes_notice(p, NOTICE_OVER) != NULL);
	planes_kick(p);
	planes_delete(p);
	planes_delete(NULL);
}

#define TEST(name)                                                             \
	{                                                                      \
#name, test_##name                                             \
	}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(smaps_captured),
	TEST(smaps_rules),
	TEST(smaps_damaged),
	TEST(smaps_pss),
	TEST(smaps_self),
	TEST(smaps_rollup),
	TEST(pace),
	TEST(pace_far),
	TEST(pace_near),
	TEST(alarm),
	TEST(frame),
	TEST(frame_too_long),
	TEST(settings),
	TEST(settings_bad),
	TEST(stores),
	TEST(default_store),
	TEST(stores_bad),
	TEST(long_lines),
	TEST(lines_that_go_on),
	TEST(long_sections),
	TEST(hello),
	TEST(features),
	TEST(planes),
};

int
main(int argc, char **argv)
{
	size_t i;

	ASSERT(argc == 2);
	smaps_path = argv[1];
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		printf("%s\n", tests[i].name);
		fflush(stdout);
		tests[i].run();
	}
	return 0;
}
