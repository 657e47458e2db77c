/*
 * fake-ask.c: what a test asks of an agent, and how it answers
 */
#include "fake_impl.h"

#include <sys/socket.h>

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pagerd/uffd_abi.h>

int
fake_register(struct fake_space *s, uint64_t addr, unsigned int npages)
{
	return (fake_uffd_register(s->main_fd, addr, npages * PAGE,
	    UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP));
}

/* => size of the answer, 0 at the end of the connection, -1 on an error */
static ssize_t
ask(struct fake_space *s, const void *packet, size_t len, void *answer,
    size_t answer_len)
{
	if (fake_send(s->sock, packet, len, -1) < 0)
		return (-1);
	return (recv(s->sock, answer, answer_len, 0));
}

static size_t
fill_runs(struct fake *f, struct pagerd_msg_move *m, enum pagerd_msg_type type,
    const uint64_t *runs, unsigned int nruns)
{
	unsigned int i;

	m->seq = ++f->seq;
	m->nruns = nruns;
	for (i = 0; i < nruns; i++) {
		m->runs[i] = runs[i];
		m->npages += PAGERD_RUN_PAGES(runs[i]);
	}
	fake_header(&m->hdr, type, PAGERD_MOVE_SIZE(nruns));
	return (PAGERD_MOVE_SIZE(nruns));
}

int
fake_move(struct fake *f, struct fake_space *s, uint32_t flags,
    const uint64_t *runs, unsigned int nruns, uint8_t *status)
{
	struct pagerd_msg_move m = { .flags = flags };
	struct pagerd_msg_moved moved;
	size_t len = fill_runs(f, &m, PAGERD_MSG_MOVE, runs, nruns);

	if (ask(s, &m, len, &moved, sizeof(moved)) != sizeof(moved) ||
	    moved.hdr.type != PAGERD_MSG_MOVED ||
	    moved.hdr.size != sizeof(moved) || moved.seq != m.seq ||
	    moved.npages != m.npages)
		return (-1);
	memcpy(status, moved.status, sizeof(moved.status));
	return (0);
}

static int
check_done(const struct pagerd_msg_done *done, ssize_t len, uint32_t seq)
{
	return (len == sizeof(*done) && done->hdr.type == PAGERD_MSG_DONE &&
			done->hdr.size == sizeof(*done) && done->seq == seq
		    ? 0
		    : -1);
}

int
fake_unshare(struct fake *f, struct fake_space *s, const uint64_t *runs,
    unsigned int nruns, int32_t *result)
{
	struct pagerd_msg_unshare m = { 0 };
	struct pagerd_msg_done done;
	size_t len = fill_runs(f, &m, PAGERD_MSG_UNSHARE, runs, nruns);
	ssize_t got = ask(s, &m, len, &done, sizeof(done));

	if (check_done(&done, got, m.seq) < 0)
		return (-1);
	*result = done.result;
	return (0);
}

int
fake_stall(struct fake *f, struct fake_space *s, uint64_t addr)
{
	struct pagerd_msg_unshare m = { 0 };
	const uint64_t run = PAGERD_RUN(addr, 1);
	size_t len = fill_runs(f, &m, PAGERD_MSG_UNSHARE, &run, 1);

	pthread_mutex_lock(&f->lock);
	return (fake_send(s->sock, &m, len, -1));
}

int
fake_go_on(struct fake *f, struct fake_space *s)
{
	struct pagerd_msg_done done;

	pthread_mutex_unlock(&f->lock);
	return (check_done(&done, recv(s->sock, &done, sizeof(done), 0),
	    f->seq));
}

int
fake_empty(struct fake *f, struct fake_space *s)
{
	struct pagerd_msg_empty m = { .seq = ++f->seq };
	struct pagerd_msg_done done;
	ssize_t got;

	fake_header(&m.hdr, PAGERD_MSG_EMPTY, sizeof(m));
	got = ask(s, &m, sizeof(m), &done, sizeof(done));
	return (check_done(&done, got, m.seq) < 0 ? -1 : done.result);
}

int
fake_release(struct fake_space *s)
{
	struct pagerd_msg_release m;
	char byte;

	fake_header(&m.hdr, PAGERD_MSG_RELEASE, sizeof(m));
	return (ask(s, &m, sizeof(m), &byte, 1) == 0 ? 0 : -1);
}

void
fake_hang_up(struct fake_space *s)
{
	shutdown(s->sock, SHUT_RDWR);
}

int
fake_peek(const struct fake_space *s, uint64_t addr, void *buf, size_t len)
{
	ssize_t got = pread(s->fds[PAGERD_FD_MEM], buf, len, (off_t)addr);

	return (got == (ssize_t)len ? 0 : -1);
}

/* keep: what is at from, to be filled back at addr */
static int
keep(struct fake *f, struct fake_space *s, uint64_t from, uint64_t addr)
{
	struct fake_page *page;
	int ret = -1;

	pthread_mutex_lock(&f->lock);
	page = fake_page_add(f, s->id, addr);
	if (page != NULL)
		ret = fake_peek(s, from, page->data, PAGE);
	pthread_mutex_unlock(&f->lock);
	return (ret);
}

int
fake_keep(struct fake *f, struct fake_space *s, unsigned int pos, uint64_t addr)
{
	return (keep(f, s, s->hello.stage_start + pos * PAGE, addr));
}

int
fake_drop(struct fake *f, struct fake_space *s, const uint64_t *runs,
    unsigned int nruns, int32_t *result)
{
	struct pagerd_msg_drop m = { 0 };
	struct pagerd_msg_done done;
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, runs, nruns);
	ssize_t got;

	for (unsigned int i = 0; i < nruns; i++)
		for (unsigned int k = 0; k < PAGERD_RUN_PAGES(runs[i]); k++) {
			uint64_t addr = PAGERD_RUN_ADDR(runs[i]) + k * PAGE;

			if (keep(f, s, addr, addr) < 0)
				return (-1);
		}
	got = ask(s, &m, len, &done, sizeof(done));
	if (check_done(&done, got, m.seq) < 0)
		return (-1);
	*result = done.result;
	return (0);
}

/* => both are in the socket when the agent looks at the first */
static int
send_both(struct fake_space *s, const void *first, size_t len,
    struct pagerd_msg *second, enum pagerd_msg_type type)
{
	int ret;

	fake_header(second, type, sizeof(*second));
	if (kill(s->pid, SIGSTOP) < 0)
		return (-1);
	ret = fake_send(s->sock, first, len, -1);
	if (ret == 0)
		ret = fake_send(s->sock, second, sizeof(*second), -1);
	kill(s->pid, SIGCONT);
	return (ret);
}

int
fake_drop_and_release(struct fake *f, struct fake_space *s, uint64_t addr)
{
	const uint64_t run = PAGERD_RUN(addr, 1);
	struct pagerd_msg_drop m = { 0 };
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, &run, 1);
	struct pagerd_msg_release release;
	struct pagerd_msg_done done;
	int ret = send_both(s, &m, len, &release.hdr, PAGERD_MSG_RELEASE);

	while (ret == 0 && recv(s->sock, &done, sizeof(done), 0) > 0)
		;
	return (ret);
}

int
fake_move_late(struct fake *f, struct fake_space *s, uint64_t addr,
    uint8_t *status)
{
	const uint64_t run = PAGERD_RUN(addr, 1);
	struct pagerd_msg_move m = { .flags = PAGERD_MOVE_EMPTY_FIRST };
	size_t len = fill_runs(f, &m, PAGERD_MSG_MOVE, &run, 1);
	struct pagerd_msg_depend depend;
	struct pagerd_msg_moved moved;
	int ret = send_both(s, &m, len, &depend.hdr, PAGERD_MSG_DEPEND);

	if (ret == 0 &&
	    recv(s->sock, &moved, sizeof(moved), 0) != sizeof(moved))
		ret = -1;
	*status = moved.status[0];
	return (ret);
}

int
fake_stall_drop(struct fake *f, struct fake_space *s, uint64_t addr)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const uint64_t run = PAGERD_RUN(addr, 1);
	struct pagerd_msg_drop m = { 0 };
	size_t len = fill_runs(f, &m, PAGERD_MSG_DROP, &run, 1);
	int ret, ms;
	char byte;

	pthread_mutex_lock(&f->lock);
	ret = fake_send(s->sock, &m, len, -1);
	for (ms = 0; fake_peek(s, addr, &byte, 1) == 0; ms++) {
		if (ms == FAKE_WAIT_MS)
			ret = -1;
		if (ret < 0)
			break;
		nanosleep(&pause, NULL);
	}
	fake_hang_up(s);
	return (ret);
}
