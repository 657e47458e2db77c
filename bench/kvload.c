/*
 * kvload.c: a client of a Redis server that checks each answer
 *
 * usage: kvload SOCKET KEYS SECONDS CONNECTIONS REPORT
 *
 * Sets so many keys, then gets and sets half of the time each for so many
 * seconds: keys that are chosen uniformly, and then a few of them more often
 * than others (zipf.h).  Each connection has one request under way, and sends
 * the next one when that is answered.  REPORT gets requests a second, and
 * percentiles of how long an answer took, in microseconds.
 *
 * A value is made of its key and its version.  Other connections may set a key
 * while one gets it; so a value that is got must be whole, and of a version
 * from the last one that was acknowledged when the request was sent to the last
 * one that was sent when the answer came.  Of one key only one set is under
 * way.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "hist.h"
#include "zipf.h"

#define VALUE_WORDS 125 /* fits into 1 KiB of the server's */
#define VALUE_BYTES (VALUE_WORDS * sizeof(uint64_t))
#define VALUE_HEAD "$1000\r\n"
#define SET_DONE "+OK\r\n"
#define CONNECTIONS_MAX 64
#define SEED 1
#define SILENCE_MS 60000 /* the server has died, or as good as */

_Static_assert(VALUE_BYTES == 1000, "VALUE_HEAD names it");

enum op {
	OP_GET,
	OP_SET
};

struct connection {
	int fd;
	enum op op;
	size_t key;
	uint32_t lowest; /* version, of a get */
	uint64_t sent_ns;
	size_t got; /* bytes of the answer */
	char in[sizeof(VALUE_HEAD) + VALUE_BYTES + 2];
};

struct load {
	size_t nkeys, nfilled, nconnections;
	uint32_t *sent, *acknowledged; /* version of each key */
	struct connection connections[CONNECTIONS_MAX];
	struct zipf zipf;
	uint64_t rng;
	struct hist waits[2]; /* by operation */
};

struct workload { /* an operation for each idle connection */
	const char *name;
	/* => 0 if there is no more to do */
	int (*next)(struct load *, struct connection *);
};

static void
value_of(uint64_t *words, size_t key, uint32_t version)
{
	uint64_t noise = bench_mix(((uint64_t)version << 32) + key);
	size_t i;

	words[0] = version;
	for (i = 1; i < VALUE_WORDS / 2; i++)
		words[i] = bench_random(&noise);
	for (; i < VALUE_WORDS; i++)
		words[i] = key;
}

static void
send_all(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len > 0; data += n, len -= (size_t)n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			bench_die("the server: %s", strerror(errno));
	}
}

static void
request(struct load *l, struct connection *c)
{
	uint64_t value[VALUE_WORDS];
	char out[VALUE_BYTES + 128];
	int len;

	if (c->op == OP_GET) {
		c->lowest = l->acknowledged[c->key];
		len = snprintf(out, sizeof(out),
		    "*2\r\n$3\r\nGET\r\n$12\r\nkey:%08zu\r\n", c->key);
	} else {
		value_of(value, c->key, ++l->sent[c->key]);
		len = snprintf(out, sizeof(out),
		    "*3\r\n$3\r\nSET\r\n$12\r\nkey:%08zu\r\n" VALUE_HEAD,
		    c->key);
		memcpy(out + len, value, VALUE_BYTES);
		memcpy(out + len + VALUE_BYTES, "\r\n", 2);
		len += (int)VALUE_BYTES + 2;
	}
	c->got = 0;
	c->sent_ns = bench_now_ns();
	send_all(c->fd, out, (size_t)len);
}

static size_t
answer_len(const struct connection *c)
{
	return c->op == OP_SET ? strlen(SET_DONE)
			       : strlen(VALUE_HEAD) + VALUE_BYTES + 2;
}

static void
check_value(const struct load *l, const struct connection *c)
{
	uint64_t value[VALUE_WORDS], wanted[VALUE_WORDS];

	memcpy(value, c->in + strlen(VALUE_HEAD), sizeof(value));
	if (value[0] < c->lowest || value[0] > l->sent[c->key])
		bench_wrong("key", c->key);
	value_of(wanted, c->key, (uint32_t)value[0]);
	if (memcmp(value, wanted, sizeof(value)) != 0)
		bench_wrong("key", c->key);
}

static void
answered(struct load *l, struct connection *c)
{
	const char *head = c->op == OP_SET ? SET_DONE : VALUE_HEAD;

	hist_add(&l->waits[c->op], bench_now_ns() - c->sent_ns);
	if (memcmp(c->in, head, strlen(head)) != 0)
		bench_die("the server's answer: %.40s", c->in);
	if (c->op == OP_SET)
		l->acknowledged[c->key] = l->sent[c->key];
	else
		check_value(l, c);
}

/* => whether the answer is complete */
static int
receive(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->got, sizeof(c->in) - c->got, 0);

	if (n <= 0)
		bench_die("the server: %s",
		    n == 0 ? "hung up" : strerror(errno));
	c->got += (size_t)n;
	if (c->in[0] == '-')
		bench_die("the server: %.*s", (int)c->got, c->in);
	return c->got >= answer_len(c);
}

static int
next_fill(struct load *l, struct connection *c)
{
	if (l->nfilled == l->nkeys)
		return 0;
	c->op = OP_SET;
	c->key = l->nfilled++;
	return 1;
}

static size_t
choose_uniform(struct load *l)
{
	return bench_random(&l->rng) % l->nkeys;
}

static size_t
choose_zipf(struct load *l)
{
	return zipf_next(&l->zipf);
}

static int
next_mixed(struct load *l, struct connection *c,
    size_t (*choose)(struct load *))
{
	c->op = bench_random(&l->rng) % 2 ? OP_SET : OP_GET;
	do
		c->key = choose(l);
	while (c->op == OP_SET && l->sent[c->key] != l->acknowledged[c->key]);
	return 1;
}

static int
next_uniform(struct load *l, struct connection *c)
{
	return next_mixed(l, c, choose_uniform);
}

static int
next_zipf(struct load *l, struct connection *c)
{
	return next_mixed(l, c, choose_zipf);
}

/* => requests that are under way afterwards: one more, or none */
static size_t
go_on(struct load *l, struct connection *c, const struct workload *w,
    uint64_t end_ns)
{
	if (bench_now_ns() >= end_ns || !w->next(l, c))
		return 0;
	request(l, c);
	return 1;
}

static void
wait_for_answers(struct load *l, struct pollfd *fds)
{
	for (size_t i = 0; i < l->nconnections; i++)
		fds[i] = (struct pollfd){ .fd = l->connections[i].fd,
			.events = POLLIN };
	if (poll(fds, l->nconnections, SILENCE_MS) <= 0)
		bench_die("the server does not answer");
}

/* => nanoseconds that it took, and all answers are there */
static uint64_t
run(struct load *l, const struct workload *w, uint64_t end_ns)
{
	struct pollfd fds[CONNECTIONS_MAX];
	uint64_t start = bench_now_ns();
	size_t i, under_way = 0;

	memset(l->waits, 0, sizeof(l->waits));
	for (i = 0; i < l->nconnections; i++)
		under_way += go_on(l, &l->connections[i], w, end_ns);
	while (under_way > 0) {
		wait_for_answers(l, fds);
		for (i = 0; i < l->nconnections; i++) {
			struct connection *c = &l->connections[i];

			if (fds[i].revents == 0 || !receive(c))
				continue;
			answered(l, c);
			under_way += go_on(l, c, w, end_ns) - 1;
		}
	}
	return bench_now_ns() - start;
}

static void
report(FILE *f, const struct load *l, const char *name, uint64_t ns)
{
	struct hist all = l->waits[OP_GET];

	hist_merge(&all, &l->waits[OP_SET]);
	fprintf(f,
	    "\"%s\": {\"per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	    "\"p999_us\": %.1f, \"max_us\": %.1f, \"get_p99_us\": %.1f, "
	    "\"set_p99_us\": %.1f}",
	    name, (double)all.count * 1e9 / (double)ns,
	    (double)hist_quantile(&all, 500) / 1000,
	    (double)hist_quantile(&all, 990) / 1000,
	    (double)hist_quantile(&all, 999) / 1000, (double)all.max / 1000,
	    (double)hist_quantile(&l->waits[OP_GET], 990) / 1000,
	    (double)hist_quantile(&l->waits[OP_SET], 990) / 1000);
}

static void
measure(struct load *l, size_t seconds, const char *path)
{
	static const struct workload fill = { "fill", next_fill };
	static const struct workload workloads[] = {
		{ "uniform", next_uniform },
		{ "zipf", next_zipf },
	};
	FILE *f = bench_report(path);
	uint64_t ns = run(l, &fill, UINT64_MAX);

	fputc('{', f);
	report(f, l, fill.name, ns);
	for (size_t i = 0; i < 2; i++) {
		l->rng = SEED;
		ns = run(l, &workloads[i],
		    bench_now_ns() + seconds * 1000000000);
		fputs(", ", f);
		report(f, l, workloads[i].name, ns);
	}
	fputs("}\n", f);
	bench_report_end(f);
}

static void
connect_all(struct load *l, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path))
		bench_die("%s: too long", path);
	strcpy(to.sun_path, path);
	for (size_t i = 0; i < l->nconnections; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (void *)&to, sizeof(to)) < 0)
			bench_die("%s: %s", path, strerror(errno));
		l->connections[i].fd = fd;
	}
}

int
main(int argc, char **argv)
{
	static struct load l;

	if (argc != 6)
		bench_usage("SOCKET KEYS SECONDS CONNECTIONS REPORT");
	l.nkeys = bench_number(argv[2], 1000);
	l.nconnections = bench_number(argv[4], 1);
	if (l.nconnections > CONNECTIONS_MAX || l.nkeys > 99999999)
		bench_die("at most %d connections, and 99999999 keys",
		    CONNECTIONS_MAX);
	l.sent = bench_map(l.nkeys * sizeof(*l.sent), MAP_PRIVATE);
	l.acknowledged = bench_map(l.nkeys * sizeof(*l.sent), MAP_PRIVATE);
	zipf_init(&l.zipf, l.nkeys, SEED);
	connect_all(&l, argv[1]);
	measure(&l, bench_number(argv[3], 1), argv[5]);
	return 0;
}
