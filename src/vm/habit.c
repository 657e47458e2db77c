#include "habit.h"

#define SCORE_MAX 32
#define SAMPLE 16u

void
habit_written(struct habit *h)
{
	if (h->score < SCORE_MAX)
		h->score++;
}

void
habit_left(struct habit *h)
{
	if (h->score > -SCORE_MAX)
		h->score--;
}

/* Which ones are samples must not go with any pattern of accesses. */
static bool
is_sample(uint64_t page)
{
	return (page * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SAMPLE == 0;
}

bool
habit_keeps(const struct habit *h, uint64_t page)
{
	return h->score <= 0 || is_sample(page);
}
