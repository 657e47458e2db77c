/*
 * restore.c: what another program had, out of a file
 *
 *	pagerctl run -- ./warm make hot		builds a table, and keeps it
 *	pagerctl export hot hot.core		puts it into a file
 *	pagerctl drop hot
 *	pagerctl run -- ./restore hot.core	has it, as does who comes later
 *
 * Nothing is read before it is looked at.  What several programs read they
 * have in memory once; what one of them writes is its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pagerd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
failed(const char *what, int error)
{
	fprintf(stderr, "restore: %s: %s\n", what, strerror(-error));
	return (1);
}

static int
restore(struct pagerd *p, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return (-errno);
	ret = pagerd_restore(p, fd);
	close(fd); /* the daemon has it */
	return (ret);
}

static uint64_t
checksum(const struct pagerd_region *r)
{
	const uint64_t *words = r->addr;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < r->len / sizeof(*words); i++)
		sum = sum * 31 + words[i];
	return (sum);
}

static int
show(struct pagerd *p)
{
	struct pagerd_region r = { .addr = NULL };
	int ret;

	while ((ret = pagerd_query(p, (char *)r.addr + r.len, &r)) == 0)
		printf("%p %zu %s %016" PRIx64 "\n", r.addr, r.len, r.memtype,
		    checksum(&r));
	return (ret == -ENOENT ? 0 : failed("query", ret));
}

int
main(int argc, char **argv)
{
	struct pagerd *p;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: restore FILE\n");
		return (2);
	}
	ret = pagerd_open(NULL, &p);
	if (ret < 0)
		return (failed("open", ret));
	ret = restore(p, argv[1]);
	ret = ret < 0 ? failed(argv[1], ret) : show(p);
	pagerd_close(p);
	return (ret);
}
