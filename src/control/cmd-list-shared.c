/*
 * cmd-list-shared.c: ListShared
 *
 * The array is ours, so its size is a guess: too small, and the question is
 * asked again with twice the room.
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "planes.h"
#include "varlink.h"

#define GUESS 64

static void listed(struct mail *);

static void
free_mail(struct mail_objects *mail)
{
	free(mail->objects);
	free(mail);
}

/* => takes mail over */
static void
ask(struct call *call, struct mail_objects *mail, size_t max)
{
	free(mail->objects);
	*mail = (struct mail_objects){
		.m.op = MAIL_OBJECTS,
		.objects = calloc(max, sizeof(*mail->objects)),
		.max = max,
	};
	if (mail->objects == NULL)
		call_failed(call, "cannot list", -ENOMEM);
	else if (call_ask(call, &mail->m, listed) == 0)
		return;
	free_mail(mail);
}

static json_t *
object_json(const struct object_info *i)
{
	return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "id",
	    (json_int_t)i->id, "name", i->name, "uid", (json_int_t)i->uid,
	    "size", (json_int_t)i->bytes, "resident",
	    (json_int_t)i->resident_bytes, "out", (json_int_t)i->out_bytes,
	    "maps", (json_int_t)i->users);
}

static void
reply(struct call *call, const struct mail_objects *mail)
{
	json_t *list = json_array();

	for (size_t i = 0; i < mail->n; i++) {
		if (call->privileged || call->uid == mail->objects[i].uid)
			json_array_append_new(list,
			    object_json(&mail->objects[i]));
	}
	call_reply(call, json_pack("{s:o}", "shared", list));
}

static void
listed(struct mail *m)
{
	struct mail_objects *mail = (struct mail_objects *)m;
	struct call *call = call_answered(m);

	if (m->result == 0 && mail->more) {
		ask(call, mail, 2 * mail->max);
		return;
	}
	if (m->result < 0)
		call_failed(call, "the fault plane gave no answer", m->result);
	else
		reply(call, mail);
	free_mail(mail);
}

static void
list(struct call *call)
{
	struct mail_objects *mail = calloc(1, sizeof(*mail));

	if (mail == NULL)
		call_failed(call, "cannot list", -ENOMEM);
	else
		ask(call, mail, GUESS);
}

const struct cmd cmd_list_shared = {
	.interface = CMD_INTERFACE,
	.name = "ListShared",
	.run = list,
};
