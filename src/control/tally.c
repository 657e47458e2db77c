/*
 * tally.c: what pages cost, of one space or of all
 */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

#include "planes.h"
#include "varlink.h"

struct tally {
	struct mail_usage mail; /* first: a mail is a tally */
	json_t *reply;          /* owned */
	tally_done *done;
};

static void tallied(struct mail *);

static void
tally_free(struct tally *t)
{
	json_decref(t->reply);
	free(t);
}

static void
ask(struct tally *t, struct call *call)
{
	if (call_ask(call, &t->mail.m, tallied) < 0)
		tally_free(t);
}

static void
tallied(struct mail *m)
{
	struct tally *t = (struct tally *)m;
	struct call *call = call_answered(m);

	if (m->result == -ESRCH) {
		call_error(call, "NoSuchProcess",
		    json_pack("{s:I}", "pid",
			(json_int_t)call_int(call, "pid")));
	} else if (m->result < 0) {
		call_failed(call, "the pages cannot be counted", m->result);
	} else if (t->mail.more) {
		ask(t, call);
		return;
	} else {
		t->done(call, json_incref(t->reply), &t->mail.usage);
	}
	tally_free(t);
}

void
tally_start(struct call *call, uint64_t space, json_t *reply, tally_done *done)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		json_decref(reply);
		call_failed(call, "the pages cannot be counted", -ENOMEM);
		return;
	}
	t->reply = reply;
	t->done = done;
	t->mail.m.op = MAIL_USAGE;
	t->mail.space = space;
	ask(t, call);
}

void
tally_add(struct usage_info *to, const struct usage_info *part)
{
	to->resident_bytes += part->resident_bytes;
	to->out_bytes += part->out_bytes;
	to->clean_bytes += part->clean_bytes;
	to->total_bytes += part->total_bytes;
	to->common_bytes += part->common_bytes;
	to->shared_bytes += part->shared_bytes;
	to->proportional_bytes += part->proportional_bytes;
	to->stored_bytes += part->stored_bytes;
}
