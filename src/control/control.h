/*
 * control.h: the control plane, as main() sees it
 */
#ifndef CONTROL_H
#define CONTROL_H

struct features;
struct listeners;
struct planes;
struct settings;

struct control_setup { /* all of it outlives control_run() */
	const struct settings *settings;
	const struct features *features;
	struct planes *planes;
	struct listeners *listeners;
	int device; /* /dev/userfaultfd, opened for writing */
};

/*
 * control_run: serve both sockets until a signal ends it
 *
 * => the fault plane runs already; when this returns it has answered
 *    MAIL_STOP and every other request
 * => 0: every page was brought home; -errno: not so, and it was logged
 */
int control_run(const struct control_setup *);

#endif
