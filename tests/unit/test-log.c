/*
 * test-log.c: what arrives on stderr
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "test.h"

static char text[4096];

/* => one call of log_at, and what it wrote, in text */
static void
capture(enum log_level level, const char *message)
{
	int fds[2], saved;
	ssize_t n;

	CHECK(pipe(fds) == 0);
	saved = dup(STDERR_FILENO);
	CHECK(dup2(fds[1], STDERR_FILENO) >= 0);
	close(fds[1]);
	errno = ENOENT;
	log_at(level, "%s", message);
	CHECK(errno == ENOENT);
	CHECK(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	n = read(fds[0], text, sizeof(text) - 1);
	CHECK(n >= 0);
	text[n] = '\0';
	close(fds[0]);
}

/* => in a child: a process looks at its environment once */
static void
log_in_child(const char *stream, int fd)
{
	pid_t pid;
	int status;

	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(setenv("JOURNAL_STREAM", stream, 1) == 0);
		CHECK(dup2(fd, STDERR_FILENO) >= 0);
		log_warning("careful");
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
test_journal(void)
{
	char stream[64];
	struct stat st;
	ssize_t n;
	int fds[2];

	CHECK(pipe(fds) == 0);
	CHECK(fstat(fds[1], &st) == 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	log_in_child(stream, fds[1]);
	log_in_child("1:2", fds[1]);
	log_in_child("nonsense", fds[1]);
	n = read(fds[0], text, sizeof(text) - 1);
	CHECK(n >= 0);
	text[n] = '\0';
	CHECK(strcmp(text, "<4>careful\n"
			   "test-log: warning: careful\n"
			   "test-log: warning: careful\n") == 0);
	close(fds[0]);
	close(fds[1]);
}

static void
test_levels(void)
{
	enum log_level level = LOG_LEVEL_ERROR;

	CHECK(log_level_parse("debug", &level) == 0);
	CHECK(level == LOG_LEVEL_DEBUG);
	CHECK(log_level_parse("Debug", &level) == -EINVAL);
	CHECK(log_level_parse("", &level) == -EINVAL);
	CHECK(level == LOG_LEVEL_DEBUG);
	CHECK(strcmp(log_level_name(LOG_LEVEL_WARNING), "warning") == 0);

	CHECK(log_get_level() == LOG_LEVEL_INFO);
	capture(LOG_LEVEL_DEBUG, "hidden");
	CHECK(text[0] == '\0');
	log_set_level(LOG_LEVEL_DEBUG);
	capture(LOG_LEVEL_DEBUG, "shown");
	CHECK(strcmp(text, "test-log: debug: shown\n") == 0);
	log_set_level(LOG_LEVEL_INFO);
}

static void
test_one_line(void)
{
	char message[3000];

	capture(LOG_LEVEL_ERROR, "a\nb\tc\033[1m\xc3\xa9");
	CHECK(strcmp(text, "test-log: error: a?b?c?[1m\xc3\xa9\n") == 0);

	memset(message, 'x', sizeof(message));
	message[sizeof(message) - 1] = '\0';
	capture(LOG_LEVEL_ERROR, message);
	CHECK(strlen(text) == 1024);
	CHECK(strchr(text, '\n') == text + 1023);
}

static const struct test tests[] = {
	{ "journal", test_journal },
	{ "levels", test_levels },
	{ "one line", test_one_line },
};

TEST_MAIN(tests)
