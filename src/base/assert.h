/*
 * assert.h: an assertion that is never compiled out
 *
 * A broken invariant stops the daemon: wrong data in a client is worse than a
 * client that waits for the daemon to come back.
 */
#ifndef ASSERT_H
#define ASSERT_H

__attribute__((cold)) _Noreturn void assert_failed(const char *expr,
    const char *file, int line, const char *func);

#define ASSERT(e)                                                              \
	(__builtin_expect(!!(e), 1)                                            \
		? (void)0                                                      \
		: assert_failed(#e, __FILE__, __LINE__, __func__))

#endif
