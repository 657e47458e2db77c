/*
 * hostile.c: a client that does everything wrong
 *
 * usage: hostile BAD_THING SECONDS
 *
 * Takes PAGERD_SOCKET and PAGERD_GROUP as a shim does, and plays agent by
 * itself.  Exits with 0 when the daemon did what it must: refuse us or hang
 * up (E_ENDS), or outlive us (E_STAYS), within so many seconds.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pagerd/protocol.h>
#include <pagerd/uffd_abi.h>

#include "live.h"

#define AREA_PAGES (PAGERD_STAGE_PAGES + 16)
#define MEMORY (64 * MIB)

enum expected {
	E_ENDS,
	E_STAYS
};

struct liar {
	int sock;
	int device; /* /dev/userfaultfd, from WELCOME */
	struct pagerd_msg_hello hello;
	int fds[16];
	unsigned int nfds;
	double end;
};

union packet {
	struct pagerd_msg hdr;
	struct pagerd_msg_refused refused;
	struct pagerd_msg_move move;
	struct pagerd_msg_moved moved;
	struct pagerd_msg_empty empty;
	struct pagerd_msg_done done;
};

static int
connect_daemon(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv(PAGERD_ENV_SOCKET);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (path == NULL || strlen(path) >= sizeof(sun.sun_path))
		live_die("no " PAGERD_ENV_SOCKET);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		live_die("%s: %s", path, strerror(errno));
	return fd;
}

/*
 * => returns the packet's length; 0: the daemon hung up or refused us;
 *    -1: nothing came in time
 */
static ssize_t
receive(struct liar *l, union packet *p, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { p, sizeof(*p) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct pollfd pfd = { l->sock, POLLIN, 0 };
	double left = l->end - live_now();
	struct cmsghdr *c;
	ssize_t n;

	if (left <= 0 || poll(&pfd, 1, (int)(left * 1000)) <= 0)
		return -1;
	n = recvmsg(l->sock, &msg, MSG_CMSG_CLOEXEC);
	c = CMSG_FIRSTHDR(&msg);
	if (fd != NULL && c != NULL)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (n <= 0)
		return 0;
	if (p->hdr.type == PAGERD_MSG_REFUSED) {
		printf("refused: %.*s\n", (int)sizeof(p->refused.reason),
		    p->refused.reason);
		return 0;
	}
	return n;
}

static void
send_fds(struct liar *l, const void *data, size_t len)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (l->nfds > 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(l->nfds * sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		control.hdr.cmsg_len = CMSG_LEN(l->nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.hdr), l->fds, l->nfds * sizeof(int));
	}
	if (sendmsg(l->sock, &msg, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		live_die("sendmsg: %s", strerror(errno));
}

static void
send_plain(struct liar *l, const void *data, size_t len)
{
	l->nfds = 0;
	send_fds(l, data, len);
}

static int
open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		live_die("%s: %s", path, strerror(errno));
	return fd;
}

static int
new_userfaultfd(const struct liar *l)
{
	int fd = ioctl(l->device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		live_die("USERFAULTFD_IOC_NEW: %s", strerror(errno));
	return fd;
}

static void
read_token(uint8_t *token)
{
	const char *hex = getenv(PAGERD_ENV_GROUP);
	unsigned int byte;
	size_t i;

	for (i = 0; hex != NULL && i < PAGERD_TOKEN_BYTES; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			live_die("bad " PAGERD_ENV_GROUP);
		token[i] = (uint8_t)byte;
	}
}

/* Everything as a good client has it. */
static void
prepare(struct liar *l)
{
	uint8_t *area = live_map(AREA_PAGES * PAGE);
	uint8_t *anchor =
	    mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (anchor == MAP_FAILED ||
	    mprotect(anchor + PAGE, PAGE, PROT_READ) < 0 ||
	    madvise(anchor + PAGE, PAGE, MADV_WIPEONFORK) < 0 ||
	    madvise(area, AREA_PAGES * PAGE, MADV_DONTFORK) < 0)
		live_die("area: %s", strerror(errno));
	l->fds[PAGERD_FD_MEM] = open_or_die("/proc/self/mem", O_RDONLY);
	l->fds[PAGERD_FD_PAGEMAP] = open_or_die("/proc/self/pagemap", O_RDONLY);
	l->fds[PAGERD_FD_MAPS] = open_or_die("/proc/self/maps", O_RDONLY);
	l->fds[PAGERD_FD_SMAPS] = open_or_die("/proc/self/smaps", O_RDONLY);
	l->fds[PAGERD_FD_ROLLUP] =
	    open_or_die("/proc/self/smaps_rollup", O_RDONLY);
	l->fds[PAGERD_FD_STATM] =
	    open_or_die("/proc/thread-self/statm", O_RDONLY);
	l->fds[PAGERD_FD_MAIN] = new_userfaultfd(l);
	l->nfds = PAGERD_FDS_EXEC;
	l->hello = (struct pagerd_msg_hello){
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_HELLO,
		    sizeof(l->hello) },
		.kind = PAGERD_HELLO_EXEC,
		.agent_tid = (uint32_t)getpid(),
		.area_start = (uintptr_t)area,
		.area_len = AREA_PAGES * PAGE,
		.stage_start = (uintptr_t)area + 16 * PAGE,
		.anchor_start = (uintptr_t)anchor + PAGE,
	};
	read_token(l->hello.group_token);
}

static void
say_hello(struct liar *l)
{
	send_fds(l, &l->hello, sizeof(l->hello));
}

static void
be_ready(struct liar *l)
{
	union packet p;

	say_hello(l);
	if (receive(l, &p, NULL) <= 0 || p.hdr.type != PAGERD_MSG_READY)
		live_die("a good HELLO was not answered with READY");
}

/* More memory than the group may have, so that the pager must act. */
static void
be_big(void)
{
	size_t i;
	uint8_t *p = live_map(MEMORY);

	for (i = 0; i < MEMORY; i += PAGE)
		page_fill(p + i, live_tag(1, i));
}

/* => returns with a request for pages */
static void
await_move(struct liar *l, union packet *p)
{
	struct pagerd_msg_done d = { .hdr = { PAGERD_PROTOCOL_VERSION,
					 PAGERD_MSG_DONE, sizeof(d) } };

	be_big();
	be_ready(l);
	do {
		if (receive(l, p, NULL) <= 0)
			live_die("nobody asked for our pages");
		if (p->hdr.type == PAGERD_MSG_EMPTY) {
			d.seq = p->empty.seq;
			send_plain(l, &d, sizeof(d));
		}
	} while (p->hdr.type != PAGERD_MSG_MOVE);
}

static void
bad_nothing(struct liar *l)
{
	(void)l; /* connects, and is silent */
}

static void
bad_garbage(struct liar *l)
{
	uint64_t words[64];
	uint64_t rng = live_seed();
	size_t i;

	for (i = 0; i < 64; i++)
		words[i] = live_rng(&rng);
	send_plain(l, words, sizeof(words));
}

static void
bad_short_header(struct liar *l)
{
	send_plain(l, &l->hello, 3);
}

static void
bad_header_only(struct liar *l)
{
	l->hello.hdr.size = sizeof(l->hello.hdr);
	send_fds(l, &l->hello, sizeof(l->hello.hdr));
}

static void
bad_truncated(struct liar *l)
{
	send_fds(l, &l->hello, sizeof(l->hello) - 8);
}

static void
bad_long(struct liar *l)
{
	char big[65536] = { 0 };

	memcpy(big, &l->hello, sizeof(l->hello));
	send_fds(l, big, sizeof(big));
}

static void
bad_size(struct liar *l)
{
	l->hello.hdr.size = UINT32_MAX;
	say_hello(l);
}

static void
bad_version(struct liar *l)
{
	l->hello.hdr.version = 99;
	say_hello(l);
}

static void
bad_type(struct liar *l)
{
	l->hello.hdr.type = PAGERD_MSG_WELCOME;
	say_hello(l);
}

static void
bad_kind(struct liar *l)
{
	l->hello.kind = 77;
	say_hello(l);
}

static void
bad_no_fds(struct liar *l)
{
	send_plain(l, &l->hello, sizeof(l->hello));
}

static void
bad_few_fds(struct liar *l)
{
	l->nfds--;
	say_hello(l);
}

static void
bad_many_fds(struct liar *l)
{
	while (l->nfds < 16)
		l->fds[l->nfds++] = open_or_die("/dev/null", O_RDWR);
	say_hello(l);
}

static void
bad_null_fds(struct liar *l)
{
	unsigned int i;

	for (i = 0; i < l->nfds; i++)
		l->fds[i] = open_or_die("/dev/null", O_RDWR);
	say_hello(l);
}

static void
bad_one_null_fd(struct liar *l)
{
	l->fds[live_seed() % l->nfds] = open_or_die("/dev/null", O_RDWR);
	say_hello(l);
}

static void
bad_mixed_fds(struct liar *l)
{
	int fd = l->fds[PAGERD_FD_MAIN];

	l->fds[PAGERD_FD_MAIN] = l->fds[PAGERD_FD_MEM];
	l->fds[PAGERD_FD_MEM] = fd;
	say_hello(l);
}

/* The socket itself, which will never be closed by anyone else then. */
static void
bad_socket_fds(struct liar *l)
{
	unsigned int i;

	for (i = 0; i < l->nfds; i++)
		l->fds[i] = l->sock;
	say_hello(l);
}

static void
bad_token(struct liar *l)
{
	memset(l->hello.group_token, 0x5a, PAGERD_TOKEN_BYTES);
	say_hello(l);
}

static void
bad_fork(struct liar *l)
{
	l->hello.kind = PAGERD_HELLO_FORK;
	l->hello.space_id = 1;
	l->nfds = PAGERD_FDS_FORK;
	say_hello(l);
}

static void
bad_area_address(struct liar *l)
{
	l->hello.area_start += 12;
	say_hello(l);
}

static void
bad_area_wraps(struct liar *l)
{
	l->hello.area_len = UINT64_MAX - PAGE + 1;
	say_hello(l);
}

static void
bad_area_empty(struct liar *l)
{
	munmap((void *)(uintptr_t)l->hello.area_start, AREA_PAGES * PAGE);
	say_hello(l);
}

static void
bad_stage_outside(struct liar *l)
{
	l->hello.stage_start = l->hello.area_start + l->hello.area_len - PAGE;
	say_hello(l);
}

static void
bad_second_hello(struct liar *l)
{
	be_ready(l);
	say_hello(l);
}

static void
bad_unasked_moved(struct liar *l)
{
	struct pagerd_msg_moved m = { .hdr = { PAGERD_PROTOCOL_VERSION,
					  PAGERD_MSG_MOVED, sizeof(m) },
		.seq = 1,
		.npages = PAGERD_STAGE_PAGES };

	be_ready(l);
	send_plain(l, &m, sizeof(m));
}

static void
bad_unasked_done(struct liar *l)
{
	struct pagerd_msg_done d = { .hdr = { PAGERD_PROTOCOL_VERSION,
					 PAGERD_MSG_DONE, sizeof(d) } };

	be_ready(l);
	send_plain(l, &d, sizeof(d));
}

static void
bad_late_garbage(struct liar *l)
{
	be_ready(l);
	bad_garbage(l);
}

static void
answer_move(struct liar *l, const union packet *asked, int seq, int npages)
{
	struct pagerd_msg_moved m = { .hdr = { PAGERD_PROTOCOL_VERSION,
					  PAGERD_MSG_MOVED, sizeof(m) } };

	m.seq = asked->move.seq + (uint32_t)seq;
	m.npages = asked->move.npages + (uint32_t)npages;
	send_plain(l, &m, sizeof(m));
}

static void
bad_wrong_seq(struct liar *l)
{
	union packet p;

	await_move(l, &p);
	answer_move(l, &p, 1, 0);
}

static void
bad_wrong_count(struct liar *l)
{
	union packet p;

	await_move(l, &p);
	answer_move(l, &p, 0, 5000);
}

static void
bad_wrong_answer(struct liar *l)
{
	struct pagerd_msg_done d = { .hdr = { PAGERD_PROTOCOL_VERSION,
					 PAGERD_MSG_DONE, sizeof(d) } };
	union packet p;

	await_move(l, &p);
	d.seq = p.move.seq;
	send_plain(l, &d, sizeof(d));
}

static void
bad_hang_up(struct liar *l)
{
	union packet p;

	await_move(l, &p);
	shutdown(l->sock, SHUT_RDWR);
}

/* Says that every page was captured, and does nothing. */
static void
bad_lie(struct liar *l)
{
	union packet p;

	await_move(l, &p);
	do {
		if (p.hdr.type == PAGERD_MSG_MOVE)
			answer_move(l, &p, 0, 0);
	} while (receive(l, &p, NULL) > 0);
}

/* Never answers. */
static void
bad_silent(struct liar *l)
{
	union packet p;

	await_move(l, &p);
}

/* Many connections that say nothing. */
static void
bad_crowd(struct liar *l)
{
	int socks[300];
	size_t i;

	for (i = 0; i < 300; i++)
		socks[i] = connect_daemon();
	say_hello(l); /* the first one is a good client nevertheless */
	for (i = 0; i < 300; i++)
		close(socks[i]);
}

static const struct {
	const char *name;
	void (*run)(struct liar *);
	enum expected expected;
} things[] = {
	{ "nothing", bad_nothing, E_ENDS },
	{ "garbage", bad_garbage, E_ENDS },
	{ "short-header", bad_short_header, E_ENDS },
	{ "header-only", bad_header_only, E_ENDS },
	{ "truncated", bad_truncated, E_ENDS },
	{ "long", bad_long, E_ENDS },
	{ "size", bad_size, E_ENDS },
	{ "version", bad_version, E_ENDS },
	{ "type", bad_type, E_ENDS },
	{ "kind", bad_kind, E_ENDS },
	{ "no-fds", bad_no_fds, E_ENDS },
	{ "few-fds", bad_few_fds, E_ENDS },
	{ "many-fds", bad_many_fds, E_ENDS },
	{ "null-fds", bad_null_fds, E_ENDS },
	{ "one-null-fd", bad_one_null_fd, E_ENDS },
	{ "mixed-fds", bad_mixed_fds, E_ENDS },
	{ "socket-fds", bad_socket_fds, E_ENDS },
	{ "token", bad_token, E_ENDS },
	{ "fork", bad_fork, E_ENDS },
	{ "area-address", bad_area_address, E_ENDS },
	{ "area-wraps", bad_area_wraps, E_ENDS },
	{ "area-empty", bad_area_empty, E_STAYS },
	{ "stage-outside", bad_stage_outside, E_ENDS },
	{ "second-hello", bad_second_hello, E_ENDS },
	{ "unasked-moved", bad_unasked_moved, E_ENDS },
	{ "unasked-done", bad_unasked_done, E_ENDS },
	{ "late-garbage", bad_late_garbage, E_ENDS },
	{ "wrong-seq", bad_wrong_seq, E_ENDS },
	{ "wrong-count", bad_wrong_count, E_ENDS },
	{ "wrong-answer", bad_wrong_answer, E_ENDS },
	{ "hang-up", bad_hang_up, E_ENDS },
	{ "lie", bad_lie, E_STAYS },
	{ "silent", bad_silent, E_STAYS },
	{ "crowd", bad_crowd, E_STAYS },
};
#define NTHINGS (sizeof(things) / sizeof(things[0]))

static void
list(void)
{
	size_t i;

	for (i = 0; i < NTHINGS; i++)
		puts(things[i].name);
}

/* => the daemon hung up before the time was over */
static bool
hung_up(struct liar *l)
{
	union packet p;
	ssize_t n;

	do {
		n = receive(l, &p, NULL);
	} while (n > 0);
	return n == 0;
}

static int
misbehave(size_t i, double seconds)
{
	struct liar l = { .sock = connect_daemon(),
		.end = live_now() + seconds };
	union packet p;
	bool ended;

	if (receive(&l, &p, &l.device) <= 0 || p.hdr.type != PAGERD_MSG_WELCOME)
		live_die("no WELCOME");
	prepare(&l);
	things[i].run(&l);
	ended = hung_up(&l);
	printf("%s: %s\n", things[i].name, ended ? "ended" : "goes on");
	return things[i].expected == E_ENDS && !ended ? 3 : 0;
}

int
main(int argc, char **argv)
{
	size_t i;

	/* stdio must not need memory that a pager took, and nobody serves */
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	if (argc != 3)
		live_die("usage: hostile BAD_THING SECONDS | hostile list");
	for (i = 0; i < NTHINGS; i++)
		if (strcmp(things[i].name, argv[1]) == 0)
			return misbehave(i, strtod(argv[2], NULL));
	live_die("no bad thing \"%s\"", argv[1]);
}
