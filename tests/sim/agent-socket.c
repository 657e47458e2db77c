/*
 * agent-socket.c: src/io/agent.h on fake sockets
 *
 * What the daemon sends is checked as the protocol has it: one request at a
 * time, to whoever keeps to the rules.
 */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_impl.h"
#include "fds.h"
#include "kernel.h"
#include "snap.h"

#define QUEUE_MAX 4u

bool
agent_socket_readable(const struct agent *a)
{
	return !TAILQ_EMPTY(&a->out) || a->closed;
}

void
agent_hangup(struct agent *a)
{
	a->daemon_closed = true;
	packets_drop(&a->out);
}

static bool
is_request(const struct pagerd_msg *hdr)
{
	return hdr->type == PAGERD_MSG_MOVE ||
	       hdr->type == PAGERD_MSG_UNSHARE ||
	       hdr->type == PAGERD_MSG_DROP || hdr->type == PAGERD_MSG_EMPTY ||
	       hdr->type == PAGERD_MSG_HOLD;
}

static uint32_t
queue_length(const struct packet_list *list)
{
	struct packet *k;
	uint32_t n = 0;

	TAILQ_FOREACH(k, list, link)
		n++;
	return n;
}

static void
check_sent(struct agent *a, const struct packet *k)
{
	SIM_CHECK(k->size >= sizeof(k->hdr) && k->hdr.size == k->size);
	SIM_CHECK(k->hdr.version == PAGERD_PROTOCOL_VERSION);
	SIM_CHECK(k->ctx == NULL || k->hdr.type == PAGERD_MSG_READY);
	if (!is_request(&k->hdr))
		return;
	if (a->outstanding && a->mood == MOOD_GOOD)
		sim_fail("a second request to the agent of %u", a->proc->pid);
	a->outstanding = true;
}

/* => 0: the packet can be queued; -errno */
static int
send_check(const struct agent *a)
{
	if (a->closed)
		return -EPIPE;
	if ((a->mood == MOOD_SILENT || a->stopped) &&
	    queue_length(&a->in) >= QUEUE_MAX)
		return -EAGAIN;
	return 0;
}

static struct packet *
packet_copy(const void *bytes, size_t size)
{
	struct packet *k = calloc(1, sizeof(*k));

	SIM_CHECK(size <= sizeof(k->bytes));
	memcpy(k->bytes, bytes, size);
	k->size = size;
	return k;
}

static void
deliver(struct agent *a, struct packet *k)
{
	check_sent(a, k);
	sim_trace("send to %u: type %u", a->proc->pid, k->hdr.type);
	TAILQ_INSERT_TAIL(&a->in, k, link);
}

int
agent_send(int sock, const void *bytes, size_t size, int fd)
{
	struct agent *a = fds_get(sock, FD_SOCK);
	struct packet *k;
	int r = send_check(a);

	if (r < 0)
		return r;
	k = packet_copy(bytes, size);
	if (k->hdr.type == PAGERD_MSG_HOLD) {
		SIM_CHECK(size == sizeof(k->hold));
		k->snap = fds_get(fd, FD_HOLD);
		SIM_CHECK(k->snap->of == a->proc);
	} else if (fd != -1) {
		k->ctx = fds_get(fd, FD_UFFD);
		ctx_get(k->ctx);
	}
	deliver(a, k);
	return 0;
}

static ssize_t
take_packet(struct agent *a, struct packet *k, void *buf, size_t size)
{
	ssize_t n = -EPROTO;

	TAILQ_REMOVE(&a->out, k, link);
	sim_trace("receive from %u: type %u, %zu bytes", a->proc->pid,
	    k->hdr.type, k->size);
	a->outstanding = false;
	if (k->size <= size && !k->fds) {
		memcpy(buf, k->bytes, k->size);
		n = (ssize_t)k->size;
	}
	packet_free(k);
	return n;
}

ssize_t
agent_receive(int sock, void *buf, size_t size)
{
	struct agent *a = fds_get(sock, FD_SOCK);
	struct packet *k = TAILQ_FIRST(&a->out);

	if (a->closed && a->reset) {
		a->reset = false;
		return -ECONNRESET;
	}
	if (k != NULL)
		return take_packet(a, k, buf, size);
	return a->closed ? 0 : -EAGAIN;
}
