/*
 * notify-none.c: there is no service manager to tell
 */
#include "notify.h"

void
notify_ready(void)
{
}

void
notify_stopping(void)
{
}

void
notify_status(const char *text)
{
	(void)text;
}

uint64_t
notify_watchdog_ms(void)
{
	return 0;
}

void
notify_alive(void)
{
}
