/*
 * log.h: messages for the person who runs the daemon
 *
 * => control thread only: the fault plane counts and sends notices instead
 * => lines go to stderr; under systemd with its priority prefix (<3> ...)
 */
#ifndef LOG_H
#define LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level);
enum log_level log_get_level(void);
/* => returns 0 or -EINVAL; names: error, warning, info, debug */
int log_level_parse(const char *name, enum log_level *);
const char *log_level_name(enum log_level);

void log_at(enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
