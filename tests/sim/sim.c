/*
 * sim.c: chance, trace and failure
 */
#include "sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRACE_LINES 4096u
#define TRACE_SHOWN 400u
#define TRACE_WIDTH 160

struct sim sim;

static char trace[TRACE_LINES][TRACE_WIDTH];
static uint64_t ntrace;

static const char *const break_names[BREAK_COUNT] = {
	[BREAK_NONE] = "none",
	[BREAK_COPY_BYTE] = "copy-byte",
	[BREAK_COPY_WP] = "copy-wp",
	[BREAK_COPY_WAKE] = "copy-wake",
	[BREAK_FORK_WP] = "fork-wp",
	[BREAK_FORK_ZERO] = "fork-zero",
	[BREAK_SKIP_REMAP] = "skip-remap",
	[BREAK_SKIP_REMOVE] = "skip-remove",
	[BREAK_SKIP_UNMAP] = "skip-unmap",
	[BREAK_MOVE_COPY] = "move-copy",
	[BREAK_MOVE_CHANGES] = "move-changes",
	[BREAK_MOVE_STALE] = "move-stale",
	[BREAK_STORE_BYTE] = "store-byte",
	[BREAK_DEDUP_BLIND] = "dedup-blind",
	[BREAK_DEDUP_UID] = "dedup-uid",
	[BREAK_HOLD_LIVE] = "hold-live",
	[BREAK_HOLD_SLOTS] = "hold-slots",
	[BREAK_HOLD_THAW] = "hold-thaw",
	[BREAK_ANSWER_LOST] = "answer-lost",
	[BREAK_ZERO_MISSED] = "zero-missed",
	[BREAK_PUNCH_LATE] = "punch-late",
	[BREAK_CONTINUE_WRITABLE] = "continue-writable",
	[BREAK_PUNCH_COPIES] = "punch-copies",
	[BREAK_CLONE_LIVE] = "clone-live",
	[BREAK_PROTECT_NONE] = "protect-none",
	[BREAK_FRAMES_BYTE] = "frames-byte",
	[BREAK_IMAGE_BYTE] = "image-byte",
	[BREAK_IMAGE_OLD] = "image-old",
	[BREAK_DROP_UNPROTECTED] = "drop-unprotected",
	[BREAK_DROP_ASTRAY] = "drop-astray",
};

const char *
sim_break_name(enum sim_break b)
{
	return break_names[b];
}

int
sim_break_parse(const char *name, enum sim_break *b)
{
	for (int i = 0; i < BREAK_COUNT; i++) {
		if (strcmp(break_names[i], name) == 0) {
			*b = (enum sim_break)i;
			return 0;
		}
	}
	return -1;
}

/* splitmix64 */
static uint64_t
mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void
sim_dice(uint64_t step)
{
	uint64_t s = sim.opt.seed;

	sim.step = step;
	sim.rng = mix(&s) ^ step * UINT64_C(0xd1342543de82ef95);
	(void)mix(&sim.rng);
}

uint64_t
sim_random(void)
{
	return mix(&sim.rng);
}

uint32_t
sim_below(uint32_t n)
{
	return (uint32_t)((sim_random() >> 32) * n >> 32);
}

bool
sim_one_in(uint32_t n)
{
	return sim_below(n) == 0;
}

void
sim_bytes(void *buf, size_t len)
{
	uint8_t *p = buf;
	uint64_t r;

	while (len > 0) {
		size_t n = len < sizeof(r) ? len : sizeof(r);

		r = sim_random();
		memcpy(p, &r, n);
		p += n;
		len -= n;
	}
}

void
sim_trace(const char *fmt, ...)
{
	char *line = trace[ntrace++ % TRACE_LINES];
	va_list ap;
	int n;

	n = snprintf(line, TRACE_WIDTH, "%6llu %8llu ",
	    (unsigned long long)sim.step, (unsigned long long)sim.now_us);
	va_start(ap, fmt);
	(void)vsnprintf(line + n, (size_t)(TRACE_WIDTH - n), fmt, ap);
	va_end(ap);
	if (sim.opt.print)
		fprintf(stderr, "%s\n", line);
}

static void
show_trace(void)
{
	uint64_t i = ntrace > TRACE_SHOWN ? ntrace - TRACE_SHOWN : 0;

	if (!sim.opt.print)
		for (; i < ntrace; i++)
			fprintf(stderr, "%s\n", trace[i % TRACE_LINES]);
	fprintf(stderr, "seed %llu, step %llu, break %s\n",
	    (unsigned long long)sim.opt.seed, (unsigned long long)sim.step,
	    sim_break_name(sim.opt.breaks));
	fflush(stderr);
}

void
sim_fail(const char *fmt, ...)
{
	va_list ap;

	show_trace();
	fputs("FAILED: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	fflush(stderr);
	_exit(1);
}

/* The program is about to end anyway: stdio is good enough here. */
static void
aborted(int sig)
{
	(void)sig;
	show_trace();
	fputs("FAILED: the code under test aborted\n", stderr);
	fflush(stderr);
	_exit(1);
}

void
sim_catch_aborts(void)
{
	(void)signal(SIGABRT, aborted);
}
