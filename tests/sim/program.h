/*
 * program.h: what the simulated programs do next, at random
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

struct proc;
struct task;

#define PROGRAM_PAGES 1000u /* of the window; the agent's are above */
#define PROGRAM_MAPPED 320u /* no more than this is mapped at a time */

/* => a new process with some memory mapped; its agent has yet to say HELLO */
struct proc *program_new(void);
/* => the task, which has nothing to do, begins something */
void program_begin(struct task *);
/* => one of its threads has done something; false: not this one, not now */
bool program_step(struct proc *);
/* The pager makes a call; meanwhile its process, or another one, goes on. */
void program_race(struct proc *);
/* => reads all its memory, page after page: used at the end of runs */
void program_sweep(struct task *, uint32_t *cursor);
uint32_t program_alive(void); /* processes */

#endif
