/*
 * fake-snapshots.c: snapshots of the fake fault plane's clients
 *
 * They can be taken in groups whose name begins with "holding": it forks
 * itself, and the child says and does what a holder would.  In "holding-full"
 * there is no room for them, in "holding-mortal" a holder is lost as soon as it
 * is a snapshot; and in "holding-late" it is there when the plane stops, and
 * says nothing.
 */
#include "fake-plane.h"

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <unistd.h>

/* As a holder would: says HELLO, unless it is late; ends with its connection.
 */
static void
be_holder(const struct mail_hold *m, uint64_t space, bool late)
{
	struct pagerd_msg_hello hello = {
		.hdr = { PAGERD_PROTOCOL_VERSION, PAGERD_MSG_HELLO,
		    sizeof(hello) },
		.kind = PAGERD_HELLO_HOLD,
		.space_id = space,
		.area_start = 0x10000000,
		.area_len = 0x200000,
		.stage_start = 0x10100000,
		.anchor_start = 0x20000000,
	};

	/* Nothing of the daemon's may live on in it. */
	if (dup2(m->sock, 0) != 0 || close_range(1, ~0u, 0) != 0)
		_exit(1);
	if (!late && send(0, &hello, sizeof(hello), 0) != sizeof(hello))
		_exit(1);
	while (recv(0, &hello, sizeof(hello), 0) > 0)
		continue;
	_exit(0);
}

int
fake_hold(struct plane *p, struct mail_hold *m)
{
	struct fake_space *s = fake_space_find(p, m->space), *child;
	bool late;

	if (s == NULL)
		return -ESRCH;
	late = strcmp(s->group->name, "holding-late") == 0;
	if (strncmp(s->group->name, "holding", 7) != 0)
		return -EOPNOTSUPP;
	child = fake_space_new(p, s->group);
	if (child == NULL)
		return -EAGAIN;
	fake_tell(p, NOTICE_SPACE_NEW, child);
	child->holder = fork();
	if (child->holder == 0)
		be_holder(m, child->id, late);
	if (late)
		p->late = m;
	return late ? HELD : 0;
}

/* => a snapshot that was forgotten goes with its last clone */
static void
let_go(struct plane *p, struct fake_space *s)
{
	size_t i;

	if (s == NULL || !s->forgotten)
		return;
	for (i = 0; i < MAX; i++) {
		if (p->spaces[i].id != 0 && p->spaces[i].origin == s->id)
			return;
	}
	fake_tell(p, NOTICE_SPACE_GONE, s);
	fake_space_drop(p, s);
}

void
fake_space_gone(struct plane *p, struct fake_space *s)
{
	uint64_t origin = s->origin;

	fake_tell(p, NOTICE_SPACE_GONE, s);
	fake_space_drop(p, s);
	if (origin != 0)
		let_go(p, fake_space_find(p, origin));
}

int
fake_snapshot(struct plane *p, struct mail_snapshot *m)
{
	struct fake_space *s = fake_space_find(p, m->space);

	if (s == NULL || s->snapshot)
		return -ESRCH;
	if (strcmp(s->group->name, "holding-full") == 0)
		return -ENOSPC;
	s->snapshot = true;
	if (strcmp(s->group->name, "holding-mortal") == 0)
		fake_space_gone(p, s);
	return 0;
}

int
fake_forget(struct plane *p, struct mail_snapshot *m)
{
	struct fake_space *s = fake_space_find(p, m->space);

	if (s == NULL || !s->snapshot || s->forgotten)
		return -ESRCH;
	s->forgotten = true;
	let_go(p, s);
	return 0;
}
