/*
 * freeze.h: all threads of a process stand still, for a moment
 *
 * By ptrace(2), and without a trace in the process: no signal is sent to it,
 * those that arrive meanwhile are delivered afterwards, a process that job
 * control had stopped stays stopped, and system calls go on.  Only the calls
 * that signal(7) names as failing with EINTR after a stop and SIGCONT do so
 * here, too (epoll_wait(2) is the one that matters).
 *
 * => any thread but the fault plane's: one that waits in a system call for a
 *    page stands still only when that has come
 * => the tracer is a thread of its own that lives from begin to end; whatever
 *    happens to this process, the kernel lets everything go with it
 */
#ifndef FREEZE_H
#define FREEZE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

struct elfcore_thread;
struct freeze;

/*
 * freeze_begin: stop every thread of pid but one, and read their registers
 *
 * => spare goes on running, with the threads that it makes, which have its
 *    name; 0: none
 * => returns 0: they stand still until freeze_end(); or, after at most
 *    within_us and with all of them going on as before:
 *    -ESRCH      the process is gone, or about to go or to be another program
 *    -EPERM      it may not be traced by us
 *    -EBUSY      something traces it already, as a debugger does
 *    -ETIMEDOUT  a thread waits in the kernel for what no signal ends, such as
 *                the parent of a vfork(2); or threads are made all too fast
 *    -ENOMEM, -EMFILE, -EAGAIN (no thread for the tracer)
 */
int freeze_begin(pid_t pid, pid_t spare, uint64_t within_us, struct freeze **);

/* => the main thread first, if it lives; valid until freeze_end() */
const struct elfcore_thread *freeze_threads(const struct freeze *, size_t *n);

void freeze_end(struct freeze *); /* accepts NULL */

#endif
