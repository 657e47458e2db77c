/*
 * notify-systemd.c: telling the service manager, by sd_notify(3)
 *
 * Without NOTIFY_SOCKET in the environment all of this does nothing.
 */
#include "notify.h"

#include <systemd/sd-daemon.h>

void
notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void
notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
notify_status(const char *text)
{
	sd_notifyf(0, "STATUS=%s", text);
}

uint64_t
notify_watchdog_ms(void)
{
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	/* Twice as often as asked for, so that one may be late. */
	return us / 2000 > 0 ? us / 2000 : 1;
}

void
notify_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}
