/*
 * live.c: what the live tests' client programs share
 */
#include "live.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PUSH_SECONDS 120.0

void
live_die(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 2)
		n = (int)sizeof(text) - 2;
	text[n] = '\n';
	if (write(STDERR_FILENO, text, (size_t)n + 1) < 0)
		_exit(4);
	_exit(3);
}

void
live_must(int rc, const char *what)
{
	if (rc < 0)
		live_die("%s: %s", what, strerror(-rc));
}

void
live_must_fail(int rc, int want, const char *what)
{
	if (rc != -want)
		live_die("%s: %s, not %s", what, strerror(-rc), strerror(want));
}

uint64_t
live_seed(void)
{
	const char *s = getenv("TEST_SEED");

	return s == NULL ? 1 : strtoull(s, NULL, 0);
}

uint64_t
live_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t
live_rng(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return live_mix(*state);
}

uint64_t
live_tag(uint64_t salt, uint64_t i)
{
	uint64_t tag = live_mix(live_seed() ^ live_mix(salt ^ live_mix(i)));

	return tag == 0 ? 2 : tag;
}

size_t
live_mib(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n == 0 || n > 1024 * 1024)
		live_die("\"%s\" is no number of MiB", text);
	return n * MIB;
}

size_t
live_limit(void)
{
	const char *s = getenv("LIVE_LIMIT");

	return s == NULL ? 0 : strtoull(s, NULL, 10);
}

double
live_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* How many words differ from each other before the page repeats itself. */
static size_t
period(uint64_t tag)
{
	switch (tag % 16) {
	case 0:
		return 1;
	case 1:
		return LIVE_WORDS;
	default:
		return LIVE_WORDS / 2;
	}
}

static uint64_t
word_at(uint64_t tag, size_t i)
{
	return tag == 0 ? 0 : live_mix(tag + i % period(tag));
}

void
page_fill(void *page, uint64_t tag)
{
	uint64_t *w = page;
	size_t i;
	size_t n = period(tag);

	if (tag == 0) {
		memset(page, 0, PAGE);
		return;
	}
	for (i = 0; i < n; i++)
		w[i] = live_mix(tag + i);
	for (; i < LIVE_WORDS; i++)
		w[i] = w[i - n];
}

bool
page_is(const void *page, uint64_t tag)
{
	const uint64_t *w = page;
	size_t i;
	size_t n = tag == 0 ? 1 : period(tag);

	for (i = 0; i < n; i++)
		if (w[i] != word_at(tag, i))
			return false;
	for (; i < LIVE_WORDS; i++)
		if (w[i] != w[i - n])
			return false;
	return true;
}

void
page_expect(const void *page, uint64_t tag, const char *where)
{
	const uint64_t *w = page;
	size_t i;

	if (page_is(page, tag))
		return;
	for (i = 0; i < LIVE_WORDS - 1 && w[i] == word_at(tag, i); i++)
		continue;
	live_die("WRONG DATA: %s: page %p word %zu is %016llx, not %016llx, "
		 "now %s",
	    where, page, i, (unsigned long long)w[i],
	    (unsigned long long)word_at(tag, i),
	    page_is(page, tag) ? "right" : "still wrong");
}

void *
live_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		live_die("mmap of %zu bytes: %s", len, strerror(errno));
	return p;
}

void *
live_map_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		live_die("mmap of %zu shared bytes: %s", len, strerror(errno));
	return p;
}

void
area_new(struct area *a, size_t npages)
{
	a->npages = npages;
	a->base = live_map(npages * PAGE);
	a->tags = live_map_shared(npages * sizeof(*a->tags));
}

struct area
area_copy(const struct area *a)
{
	struct area copy = *a;

	copy.tags = live_map_shared(a->npages * sizeof(*a->tags));
	memcpy(copy.tags, a->tags, a->npages * sizeof(*a->tags));
	return copy;
}

void
area_fill(struct area *a, size_t from, size_t n, uint64_t salt)
{
	size_t i;

	for (i = from; i < from + n; i++) {
		a->tags[i] = live_tag(salt, i);
		page_fill(a->base + i * PAGE, a->tags[i]);
	}
}

void
area_verify(const struct area *a, size_t from, size_t n, const char *where)
{
	size_t i;

	for (i = from; i < from + n; i++)
		page_expect(a->base + i * PAGE, a->tags[i], where);
}

size_t
live_out_fd(int fd, const void *addr, size_t len)
{
	uint64_t entries[512];
	size_t page = (uintptr_t)addr / PAGE;
	size_t left = len / PAGE;
	size_t out = 0;
	ssize_t n;
	ssize_t i;

	while (left > 0) {
		size_t want = left < 512 ? left : 512;

		n = pread(fd, entries, want * 8, (off_t)(page * 8));
		if (n < 8)
			live_die("pagemap: %s", strerror(errno));
		for (i = 0; i < n / 8; i++)
			out += !(entries[i] & PAGEMAP_PRESENT);
		page += (size_t)n / 8;
		left -= (size_t)n / 8;
	}
	return out;
}

size_t
live_out(const void *addr, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t out;

	if (fd < 0)
		live_die("/proc/self/pagemap: %s", strerror(errno));
	out = live_out_fd(fd, addr, len);
	close(fd);
	return out;
}

/* Writes to more memory than the budget holds, and gives it back. */
static void
press(size_t len, uint64_t salt)
{
	uint64_t *p = live_map(len);
	size_t i;

	for (i = 0; i < len / PAGE; i++)
		p[i * LIVE_WORDS] = live_mix(salt + i) | 1;
	for (i = 0; i < len / PAGE; i++)
		if (p[i * LIVE_WORDS] != (live_mix(salt + i) | 1))
			live_die("WRONG DATA: ballast page %zu", i);
	munmap(p, len);
}

void
live_push_out(const void *addr, size_t len)
{
	double end = live_now() + PUSH_SECONDS;
	uint64_t salt = live_seed();
	size_t limit = live_limit();

	if (limit == 0)
		return;
	while (live_out(addr, len) < len / PAGE / 2) {
		if (live_now() > end)
			live_die("only %zu of %zu pages went out",
			    live_out(addr, len), len / PAGE);
		press(limit + limit / 4, ++salt);
	}
}

void
live_push_area(const struct area *a)
{
	live_push_out(a->base, a->npages * PAGE);
}

void
live_squeeze(void)
{
	struct area a;

	if (live_limit() == 0)
		return;
	area_new(&a, live_limit() / PAGE);
	area_fill(&a, 0, a.npages, 77);
	area_verify(&a, 0, a.npages, "squeezing");
	munmap(a.base, a.npages * PAGE);
}

void
live_hold(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("LIVE_HOLD");
	char text[96];
	int fd;

	if (path == NULL)
		return;
	if (strlen(path) >= sizeof(sun.sun_path))
		live_die("LIVE_HOLD is too long");
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		live_die("hold %s: %s", name, strerror(errno));
	snprintf(text, sizeof(text), "%s %d\n", name, (int)getpid());
	if (write(fd, text, strlen(text)) < 0)
		live_die("hold %s: %s", name, strerror(errno));
	while (read(fd, text, 1) < 0)
		if (errno != EINTR)
			live_die("hold %s: %s", name, strerror(errno));
	close(fd);
}

pid_t
live_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		live_die("fork: %s", strerror(errno));
	return pid;
}

void
live_wait(pid_t pid, const char *what)
{
	int status;

	if (pid < 0)
		live_die("%s: fork: %s", what, strerror(errno));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			live_die("%s: wait: %s", what, strerror(errno));
	if (WIFSIGNALED(status))
		live_die("%s: ended by signal %d", what, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		live_die("%s: exit status %d", what, WEXITSTATUS(status));
}
