/*
 * work.h: something that another thread is to do
 *
 * Whoever wants it done has it inside something of its own, sends it, and gets
 * it back when it is done: neither thread touches it meanwhile but by run().
 */
#ifndef WORK_H
#define WORK_H

struct work {
	void (*run)(struct work *);  /* on the other thread */
	void (*done)(struct work *); /* then where it was sent, in that order */
};

#endif
