/*
 * notify.h: telling the service manager how the daemon is
 *
 * notify-systemd.c or notify-none.c, chosen by meson.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_stopping(void);
void notify_status(const char *text);

/* => 0: nobody waits for notify_alive(); else it is due so often */
uint64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
