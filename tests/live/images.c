/*
 * images.c: memory that comes from files, by libpagerd
 *
 * usage: images file MIB | build MIB NAME | restore MIB CORE COUNT |
 *	  truncated MIB | snapshot MIB | restored MIB CORE | stop MIB |
 *	  hung MIB
 *
 *	file	  map, cut, write, extend, fork; what is wrong to ask for
 *	build	  a snapshot, to be exported
 *	restore	  COUNT programs map an exported core, and write halves of it
 *	truncated a file becomes shorter: SIGBUS in who touches what is gone
 *	snapshot  an image that was partly written, cloned elsewhere
 *	restored  the same, out of an exported core
 *	stop	  the daemon stops, and images are still right
 *	hung	  the same, and a file's file system does not answer
 *
 * "restorer" and "cloner" are what it starts itself as.
 */
#include "fuse.h"
#include "live.h"
#include "others.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagerd.h>

#define OTHERS_MAX 16
#define TAIL 100 /* bytes of the last page of a file */

static struct pagerd *pager;

/* => an unlinked file of tagged pages, and of TAIL bytes behind them */
static int
file_new(size_t npages, uint64_t salt)
{
	int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint64_t page[LIVE_WORDS];

	if (fd < 0)
		live_die("a file in /var/tmp: %s", strerror(errno));
	for (size_t i = 0; i <= npages; i++) {
		size_t n = i < npages ? PAGE : TAIL;

		page_fill(page, live_tag(salt, i));
		if (write(fd, page, n) != (ssize_t)n)
			live_die("write: %s", strerror(errno));
	}
	return fd;
}

static void
area_tag(struct area *a, void *base, size_t npages, uint64_t salt, size_t from)
{
	a->base = base;
	a->npages = npages;
	a->tags = live_map_shared(npages * sizeof(*a->tags));
	for (size_t i = 0; i < npages; i++)
		a->tags[i] = live_tag(salt, from + i);
}

static void
area_map_file(struct area *a, int fd, size_t npages, uint64_t salt, size_t from)
{
	void *base;

	live_must(pagerd_map_file(pager, NULL, npages * PAGE, fd, from * PAGE,
		      0, &base),
	    "pagerd_map_file");
	area_tag(a, base, npages, salt, from);
}

static void
check_refusals(int fd, size_t npages)
{
	int writer = open("/dev/null", O_WRONLY | O_CLOEXEC), pipes[2];
	int path = open("/var/tmp", O_PATH | O_CLOEXEC);
	const size_t end = (npages + 1) * PAGE;
	void *p;

	if (writer < 0 || path < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		live_die("no descriptors");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, fd, 100, 0, &p),
	    EINVAL, "an offset that is no page");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, fd, end, 0, &p),
	    EINVAL, "pages behind the end");
	live_must_fail(pagerd_map_file(pager, NULL, end + PAGE, fd, 0, 0, &p),
	    EINVAL, "one page too many");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, fd, 0, PAGERD_CREATE,
			   &p),
	    EINVAL, "a flag");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, writer, 0, 0, &p),
	    EACCES, "a file that is open for writing");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, path, 0, 0, &p),
	    EACCES, "a file that is not open for reading");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, pipes[0], 0, 0, &p),
	    EINVAL, "a pipe");
	live_must_fail(pagerd_map_file(pager, NULL, PAGE, 9999, 0, 0, &p),
	    EBADF, "no descriptor");
	live_must_fail(pagerd_restore(pager, fd), ENOEXEC, "no core");
	live_must_fail(pagerd_restore(pager, pipes[0]), EINVAL, "a pipe");
	close(writer);
	close(path);
	close(pipes[0]);
	close(pipes[1]);
}

static void
check_tail(int fd, size_t npages)
{
	uint64_t want[LIVE_WORDS];
	void *p;

	page_fill(want, live_tag(1, npages));
	memset((char *)want + TAIL, 0, PAGE - TAIL);
	live_must(pagerd_map_file(pager, NULL, PAGE, fd, npages * PAGE,
		      PAGERD_READONLY, &p),
	    "the last page");
	if (memcmp(p, want, PAGE) != 0)
		live_die("the last page is not what it was");
	live_must(pagerd_unmap(pager, p, PAGE), "unmap");
}

static void
in_child(struct area *a)
{
	struct area copy = area_copy(a);
	pid_t pid = live_fork();

	if (pid == 0) {
		area_verify(&copy, 0, copy.npages, "in a child");
		area_fill(&copy, copy.npages / 3, copy.npages / 8, 50);
		area_verify(&copy, 0, copy.npages, "written by a child");
		_exit(0);
	}
	live_wait(pid, "the child");
}

static void
op_file(size_t npages)
{
	size_t third = npages / 3;
	int fd = file_new(npages, 1);
	struct area a;
	void *p;

	check_refusals(fd, npages);
	check_tail(fd, npages);
	/* With room above it. */
	live_must(pagerd_map_file(pager, (void *)(uintptr_t)PAGERD_ARENA_START,
		      (npages - third) * PAGE, fd, third * PAGE, PAGERD_FIXED,
		      &p),
	    "pagerd_map_file");
	area_tag(&a, p, npages - third, 1, third);
	live_must_fail(pagerd_map_file(pager, a.base, PAGE, fd, 0, PAGERD_FIXED,
			   &p),
	    EEXIST, "FIXED over memory");
	close(fd);
	area_verify(&a, 0, a.npages, "read");
	live_squeeze();
	area_verify(&a, 0, a.npages, "read again");
	area_fill(&a, 0, third / 2, 2);
	live_squeeze();
	area_verify(&a, 0, a.npages, "partly written");
	in_child(&a);
	area_verify(&a, 0, a.npages, "after a child");
	madvise(a.base, third / 4 * PAGE, MADV_DONTNEED);
	for (size_t i = 0; i < third / 4; i++)
		a.tags[i] = live_tag(1, third + i);
	area_verify(&a, 0, a.npages, "thrown away");
	live_must(pagerd_unmap(pager, a.base + third * PAGE,
		      (a.npages - third) * PAGE),
	    "unmap");
	live_must(pagerd_extend(pager, a.base, 2 * third * PAGE), "extend");
	for (size_t i = third; i < 2 * third; i++)
		a.tags[i] = live_tag(1, third + i);
	area_verify(&a, 0, 2 * third, "extended");
	live_must_fail(pagerd_extend(pager, a.base, (npages + 2) * PAGE),
	    ENOMEM, "more than the file has");
	live_must(pagerd_unmap(pager, a.base, 2 * third * PAGE), "unmap");
	live_must_fail(pagerd_query(pager, NULL, &(struct pagerd_region){ 0 }),
	    ENOENT, "a region after all were unmapped");
}

static void
op_build(size_t npages, const char *name)
{
	struct area a;
	void *base;

	live_must(pagerd_map(pager, NULL, npages * PAGE, NULL, 0, 0, &base),
	    "map");
	area_tag(&a, base, npages, 0, 0);
	area_fill(&a, 0, npages, 1);
	live_must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	live_hold("built");
}

/* Halves that each of them has; in the end every page was written by some. */
static bool
is_mine(size_t page, unsigned int who)
{
	return ((page >> 3) + who) % 2 == 0;
}

static void
write_mine(struct area *a, unsigned int who)
{
	for (size_t i = 0; i < a->npages; i++)
		if (is_mine(i, who)) {
			a->tags[i] = live_tag(100 + who, i);
			page_fill(a->base + i * PAGE, a->tags[i]);
		}
}

static void
op_restorer(size_t npages, const char *core, unsigned int who)
{
	int fd = open(core, O_RDONLY | O_CLOEXEC);
	struct pagerd_region r;
	struct area a;

	if (fd < 0)
		live_die("%s: %s", core, strerror(errno));
	live_must(pagerd_restore(pager, fd), "pagerd_restore");
	live_must_fail(pagerd_restore(pager, fd), EEXIST, "a second time");
	close(fd);
	live_must(pagerd_query(pager, NULL, &r), "pagerd_query");
	if (r.len != npages * PAGE || strcmp(r.memtype, "image") != 0)
		live_die("it is %s, %zu bytes", r.memtype, r.len);
	area_tag(&a, r.addr, npages, 1, 0);
	area_verify(&a, 0, npages, "restored");
	live_say(STDOUT_FILENO, r.id);
	(void)live_hear(STDIN_FILENO); /* all have read all */
	live_say(STDOUT_FILENO, live_pss(a.base));
	(void)live_hear(STDIN_FILENO);
	write_mine(&a, who);
	area_verify(&a, 0, npages, "half written");
	live_say(STDOUT_FILENO, 0);
	(void)live_hear(STDIN_FILENO);
	area_verify(&a, 0, npages, "at the end");
}

static void
op_restore(char *mib, const char *core, unsigned int n)
{
	char who[16];
	char *argv[] = { program_invocation_name, "restorer", mib,
		(char *)(uintptr_t)core, who, NULL };
	size_t len = live_mib(mib);
	struct live_other o[OTHERS_MAX];
	uint64_t ids, pss;

	for (unsigned int i = 0; i < n; i++) {
		snprintf(who, sizeof(who), "%u", i);
		live_start(&o[i], argv);
	}
	ids = live_ask_all(o, n);
	pss = live_ask_all(o, n);
	if (ids % n != 0)
		live_die("they do not share one file");
	if (live_limit() > 4 * len && pss > len * 5 / 4)
		live_die("%u images take %zu MiB, not %zu", n,
		    (size_t)(pss / MIB), len / MIB);
	(void)live_ask_all(o, n);
	for (unsigned int i = 0; i < n; i++)
		live_wait(o[i].pid, "one that restored");
}

static sigjmp_buf back;

static void
on_bus(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

/* => is it SIGBUS? */
static bool
is_gone(const uint8_t *p)
{
	if (sigsetjmp(back, 1) != 0)
		return true;
	(void)*(const volatile uint8_t *)p;
	return false;
}

static void
op_truncated(size_t npages)
{
	int fd = file_new(npages, 1);
	size_t left = npages / 4;
	struct area a;
	pid_t pid;

	signal(SIGBUS, on_bus);
	area_map_file(&a, fd, npages, 1, 0);
	area_verify(&a, 0, npages / 2, "read");
	area_fill(&a, left, 16, 3);
	live_squeeze();
	if (ftruncate(fd, (off_t)(left * PAGE)) < 0)
		live_die("ftruncate: %s", strerror(errno));
	usleep(200000); /* what was read just now may be in use yet */
	pid = live_fork();
	if (pid == 0) {
		area_verify(&a, 0, left + 16, "in a child");
		_exit(0);
	}
	if (!is_gone(a.base + (npages - 1) * PAGE) ||
	    !is_gone(a.base + (npages - 9) * PAGE))
		live_die("there is something where the file ended");
	live_wait(pid, "the child");
	area_verify(&a, 0, left + 16, "what the file still has");
	if (!is_gone(a.base + (npages - 1) * PAGE))
		live_die("what was gone is there");
	if (ftruncate(fd, (off_t)((npages + 1) * PAGE)) < 0)
		live_die("ftruncate: %s", strerror(errno));
	area_verify(&a, 0, left + 16, "of a file that grew");
}

/* => what op_snapshot() has: partly written, and above it one that was not */
static void
verify_both(size_t npages)
{
	struct pagerd_region r;
	struct area a;

	live_must(pagerd_query(pager, NULL, &r), "pagerd_query");
	area_tag(&a, r.addr, npages, 1, 0);
	for (size_t i = 0; i < npages; i++)
		if (is_mine(i, 0))
			a.tags[i] = live_tag(100, i);
	area_verify(&a, 0, npages, "partly written");
	live_squeeze();
	area_verify(&a, 0, npages, "partly written, again");
	live_must(pagerd_query(pager, (char *)r.addr + npages * PAGE, &r),
	    "the other one");
	if (strcmp(r.memtype, "image") != 0)
		live_die("an image that nobody wrote to is %s", r.memtype);
	area_tag(&a, r.addr, npages, 1, 0);
	area_verify(&a, 0, npages, "as it was");
	area_fill(&a, 0, npages / 2, 9);
	area_verify(&a, 0, npages, "written");
}

static void
op_cloner(size_t npages, const char *name)
{
	live_must(pagerd_clone(pager, name), "pagerd_clone");
	verify_both(npages);
}

static void
op_restored(size_t npages, const char *core)
{
	int fd = open(core, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		live_die("%s: %s", core, strerror(errno));
	live_must(pagerd_restore(pager, fd), "pagerd_restore");
	close(fd);
	verify_both(npages);
}

/* One that was partly written, and above it one that was not. */
static void
op_snapshot(char *mib)
{
	char name[32];
	char *argv[] = { program_invocation_name, "cloner", mib, name, NULL };
	size_t npages = live_mib(mib) / PAGE;
	int fd = file_new(npages, 1);
	struct live_other o;
	struct area a, b;

	snprintf(name, sizeof(name), "live-%d", (int)getpid());
	area_map_file(&b, fd, npages, 1, 0);
	area_map_file(&a, fd, npages, 1, 0);
	if (a.base > b.base)
		live_die("regions are not made top down");
	close(fd);
	write_mine(&a, 0);
	live_must(pagerd_snapshot(pager, name), "pagerd_snapshot");
	area_fill(&a, 0, npages / 2, 7); /* no clone sees that */
	live_hold(name);
	live_start(&o, argv);
	live_wait(o.pid, "the clone");
	area_verify(&a, 0, npages, "what was cloned");
	area_verify(&b, 0, npages, "what was not written");
	live_must(pagerd_unmap(pager, a.base, npages * PAGE), "unmap");
	live_must(pagerd_unmap(pager, b.base, npages * PAGE), "unmap");
	live_start(&o, argv);
	live_wait(o.pid, "the clone of what is not there");
	live_must(pagerd_drop(pager, name), "pagerd_drop");
}

static void
op_stop(size_t npages)
{
	int fd = file_new(npages, 1);
	struct area a;

	area_map_file(&a, fd, npages, 1, 0);
	close(fd);
	area_verify(&a, 0, npages / 2, "read");
	area_fill(&a, npages / 4, npages / 8, 6);
	live_squeeze();
	live_hold("images");
	area_verify(&a, 0, npages, "without the daemon");
	area_fill(&a, 0, npages, 8);
	area_verify(&a, 0, npages, "written without the daemon");
}

/* Who touches what is not read waits; everything else goes on. */
static pid_t
touch_hung(const struct area *a)
{
	pid_t pid = live_fork();

	if (pid > 0)
		return pid;
	if (!is_gone(a->base + (a->npages - 5) * PAGE))
		live_die("a page is there that nobody has read");
	_exit(0);
}

/* => is it blocked, though in no system call? */
static bool
waits_for_page(pid_t pid)
{
	char path[64], text[8] = "";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL)
		live_die("%s: %s", path, strerror(errno));
	fclose(f);
	return strncmp(text, "-1 ", 3) == 0;
}

static void
await_hung(pid_t pid)
{
	const double end = live_now() + 20;

	while (!waits_for_page(pid)) {
		if (live_now() > end)
			live_die("a page that nobody has read keeps nobody");
		(void)usleep(1000);
	}
}

static void
op_hung(size_t npages)
{
	int fd = fuse_file(npages * PAGE, npages * PAGE / 2);
	struct area a, b, c;
	pid_t pids[OTHERS_MAX];

	signal(SIGBUS, on_bus);
	area_map_file(&a, fd, npages, 1, 0);
	close(fd);
	area_verify(&a, 0, npages / 4, "read");
	for (unsigned int i = 0; i < OTHERS_MAX; i++)
		pids[i] = touch_hung(&a);
	for (unsigned int i = 0; i < OTHERS_MAX; i++)
		await_hung(pids[i]);
	fd = file_new(npages, 2);
	area_map_file(&b, fd, npages, 2, 0);
	close(fd);
	area_verify(&b, 0, npages, "beside a file that hangs");
	area_new(&c, npages);
	area_fill(&c, 0, npages, 3);
	area_verify(&c, 0, npages, "own, beside a file that hangs");
	area_verify(&a, 0, npages / 4, "what was read");
	live_hold("hung");
	area_verify(&b, 0, npages, "without the daemon");
	area_verify(&c, 0, npages, "own, without the daemon");
	area_verify(&a, 0, npages / 4, "what was read, without the daemon");
	for (unsigned int i = 0; i < OTHERS_MAX; i++)
		live_wait(pids[i], "one who waits");
	fuse_end();
}

int
main(int argc, char **argv)
{
	const char *op = argc > 2 ? argv[1] : "";
	size_t n;

	if (argc < 3)
		live_die("usage: images file MIB | build MIB NAME | ...");
	n = live_mib(argv[2]) / PAGE;
	live_must(pagerd_open(NULL, &pager), "pagerd_open");
	if (strcmp(op, "file") == 0)
		op_file(n);
	else if (strcmp(op, "build") == 0 && argc == 4)
		op_build(n, argv[3]);
	else if (strcmp(op, "restore") == 0 && argc == 5)
		op_restore(argv[2], argv[3], (unsigned int)atoi(argv[4]));
	else if (strcmp(op, "restorer") == 0 && argc == 5)
		op_restorer(n, argv[3], (unsigned int)atoi(argv[4]));
	else if (strcmp(op, "truncated") == 0)
		op_truncated(n);
	else if (strcmp(op, "snapshot") == 0)
		op_snapshot(argv[2]);
	else if (strcmp(op, "cloner") == 0 && argc == 4)
		op_cloner(n, argv[3]);
	else if (strcmp(op, "restored") == 0 && argc == 4)
		op_restored(n, argv[3]);
	else if (strcmp(op, "hung") == 0)
		op_hung(n);
	else if (strcmp(op, "stop") == 0)
		op_stop(n);
	else
		live_die("no such operation");
	pagerd_close(pager);
	if (strcmp(op, "restorer") != 0 && strcmp(op, "cloner") != 0)
		printf("%s: fine\n", op);
	return 0;
}
