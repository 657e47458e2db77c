/*
 * smaps.c: reading /proc/PID/smaps
 */
#include "smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (64 << 10)

/*
 * A mapping with one of these is left alone: grows down (a stack), locked,
 * I/O or page frames without struct page, registered with a userfaultfd (ours
 * or the program's), wiped or missing in children (they would not find what
 * went out), huge pages of hugetlbfs, a shadow stack, executable.
 */
static const char flags_deny[][3] = {
	"ex",
	"gd",
	"lo",
	"io",
	"pf",
	"um",
	"uw",
	"ui",
	"wf",
	"dc",
	"ht",
	"ss",
};

static const struct {
	const char *key;
	size_t offset;
} sizes[] = {
	{ "Pss:", offsetof(struct smaps_vma, pss_bytes) },
	{ "Pss_Dirty:", offsetof(struct smaps_vma, pss_dirty_bytes) },
	{ "Anonymous:", offsetof(struct smaps_vma, anon_bytes) },
};

void
smaps_init(struct smaps *s, smaps_each *each, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->each = each;
	s->ctx = ctx;
}

static void
finish(struct smaps *s)
{
	if (s->open)
		s->each(&s->vma, s->ctx);
	s->open = false;
}

static bool
denied(const char *flag)
{
	size_t i;

	for (i = 0; i < sizeof(flags_deny) / sizeof(flags_deny[0]); i++) {
		if (strcmp(flag, flags_deny[i]) == 0)
			return true;
	}
	return false;
}

static void
parse_flags(struct smaps_vma *v, char *text)
{
	bool rd = false, wr = false, ok = true;
	char *flag;

	while ((flag = strsep(&text, " ")) != NULL) {
		rd = rd || strcmp(flag, "rd") == 0;
		wr = wr || strcmp(flag, "wr") == 0;
		ok = ok && !denied(flag);
		v->wiped = v->wiped || strcmp(flag, "wf") == 0;
	}
	/* Memory that is reserved (no access) is about to become writable. */
	v->flags_ok = rd == wr && ok;
}

/* Names in brackets that are not these are the kernel's own mappings. */
static bool
name_is_anonymous(const char *name)
{
	return name[0] == '\0' || strcmp(name, "[heap]") == 0 ||
	       strncmp(name, "[anon:", 6) == 0;
}

/* "start-end perms offset dev inode      name": does line open a mapping? */
static bool
parse_head(struct smaps_vma *v, const char *line)
{
	uint64_t start, end, inode;
	char perms[5];
	int name = 0;

	if (sscanf(line,
		"%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 " %n",
		&start, &end, perms, &inode, &name) != 4 ||
	    name == 0 || strlen(perms) != 4)
		return false;
	memset(v, 0, sizeof(*v));
	v->start = start;
	v->end = end;
	v->private = perms[3] == 'p';
	v->file = inode != 0;
	v->anonymous = inode == 0 && name_is_anonymous(line + name);
	return true;
}

static void
parse_size(struct smaps_vma *v, const char *line)
{
	size_t i, len;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		len = strlen(sizes[i].key);
		if (strncmp(line, sizes[i].key, len) != 0)
			continue;
		*(uint64_t *)((char *)v + sizes[i].offset) =
		    strtoull(line + len, NULL, 10) * 1024;
	}
}

static void
parse_line(struct smaps *s)
{
	struct smaps_vma next;

	s->line[s->len] = '\0';
	/* Keys start with a capital letter, addresses are in lower case. */
	if (s->line[0] < 'A' || s->line[0] > 'Z') {
		if (!parse_head(&next, s->line))
			return;
		finish(s);
		s->vma = next;
		s->open = true;
	} else if (strncmp(s->line, "VmFlags: ", 9) == 0) {
		parse_flags(&s->vma, s->line + 9);
	} else {
		parse_size(&s->vma, s->line);
	}
}

/* Most lines are of keys that nobody wants, and there are many of them. */
static bool
is_wanted(const struct smaps *s, const char *text, size_t len)
{
	return s->len > 0 || len == 0 || text[0] < 'A' || text[0] > 'Z' ||
	       text[0] == 'P' || text[0] == 'A' || text[0] == 'V';
}

static void
add_text(struct smaps *s, const char *text, size_t len)
{
	size_t room = sizeof(s->line) - 1 - s->len;

	if (len > room)
		len = room;
	memcpy(s->line + s->len, text, len);
	s->len += len;
}

void
smaps_feed(struct smaps *s, const char *text, size_t len)
{
	const char *end = text + len, *nl;

	while ((nl = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		if (is_wanted(s, text, (size_t)(nl - text))) {
			add_text(s, text, (size_t)(nl - text));
			parse_line(s);
			s->len = 0;
		}
		text = nl + 1;
	}
	add_text(s, text, (size_t)(end - text));
}

void
smaps_end(struct smaps *s)
{
	finish(s);
}

int
smaps_read(int fd, smaps_each *each, void *ctx)
{
	char *buf;
	struct smaps s;
	off_t pos = 0;
	ssize_t n;

	buf = malloc(READ_BYTES);
	if (buf == NULL)
		return -ENOMEM;
	smaps_init(&s, each, ctx);
	while ((n = pread(fd, buf, READ_BYTES, pos)) > 0) {
		smaps_feed(&s, buf, (size_t)n);
		pos += n;
	}
	smaps_end(&s);
	free(buf);
	if (n < 0)
		return -errno;
	return pos == 0 ? -ESRCH : 0;
}

int
smaps_rollup_read(int fd, uint64_t *pss_anon_bytes)
{
	static const char key[] = "\nPss_Anon:";
	char buf[4096];
	const char *at;
	ssize_t n;

	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	at = strstr(buf, key);
	if (at == NULL)
		return -ESRCH;
	*pss_anon_bytes = strtoull(at + sizeof(key) - 1, NULL, 10) * 1024;
	return 0;
}

bool
smaps_adoptable(const struct smaps_vma *v)
{
	return v->private && v->anonymous && v->flags_ok &&
	       v->end - v->start >= SMAPS_ADOPT_MIN_BYTES;
}

uint64_t
smaps_pss_anon(const struct smaps_vma *v)
{
	uint64_t pss;

	pss = v->file ? v->pss_dirty_bytes : v->pss_bytes;
	return pss < v->anon_bytes ? pss : v->anon_bytes;
}
