/*
 * cmd-check.c: Check
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "log.h"
#include "planes.h"
#include "roster.h"
#include "varlink.h"

#define NLINES 8
#define LINE_BYTES 160

_Static_assert(sizeof(((struct mail_check *)0)->problems) ==
		   NLINES * LINE_BYTES,
    "as many lines as the fault plane gives");

static json_t *
lines_json(const struct mail_check *m)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < NLINES && i < m->nproblems; i++) {
		log_warning("check: %.*s", LINE_BYTES, m->problems[i]);
		json_array_append_new(list,
		    json_stringn(m->problems[i],
			strnlen(m->problems[i], LINE_BYTES)));
	}
	return list;
}

static void
checked(struct mail *m)
{
	struct mail_check *mail = (struct mail_check *)m;
	struct call *call = call_answered(m);

	if (m->result < 0)
		call_failed(call, "nothing was checked", m->result);
	else
		call_reply(call, json_pack("{s:I, s:I, s:I, s:o}", "spaces",
				     (json_int_t)mail->nspaces, "pages",
				     (json_int_t)mail->npages, "problems",
				     (json_int_t)mail->nproblems, "lines",
				     lines_json(mail)));
	free(mail);
}

static void
check(struct call *call)
{
	struct roster_space *s = NULL;
	struct mail_check *mail;

	if (call_has(call, "pid")) {
		s = cmd_space(call, "pid");
		if (s == NULL)
			return;
	} else if (!call->privileged) {
		call_not_permitted(call,
		    "only root checks everything: name a process of yours");
		return;
	}
	mail = calloc(1, sizeof(*mail));
	if (mail == NULL) {
		call_failed(call, "nothing was checked", -ENOMEM);
		return;
	}
	mail->m.op = MAIL_CHECK;
	mail->space = s != NULL ? s->id : 0;
	if (call_ask(call, &mail->m, checked) < 0)
		free(mail);
}

const struct cmd cmd_check = {
	.interface = CMD_INTERFACE,
	.name = "Check",
	.params = { { "pid", CMD_SIZE, true } },
	.run = check,
};
