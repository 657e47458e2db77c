/*
 * elfnote.c: the notes of a core file, in memory
 *
 * A note is a header, a name and a description, each padded to 4 bytes:
 * elf(5).  What the descriptions hold: <sys/procfs.h> for threads and process,
 * getauxval(3) for the auxiliary vector; NT_FILE has no header of its own, see
 * files_note().
 */
#include "elfnote.h"

#include <sys/procfs.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elfcore.h"

static size_t
padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static int
make_room(struct elfnotes *n, size_t more)
{
	size_t capacity = n->capacity == 0 ? 4096 : n->capacity, wanted;
	uint8_t *bytes;

	if (__builtin_add_overflow(n->len, more, &wanted))
		return -ENOMEM;
	while (capacity < wanted) {
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return -ENOMEM;
	}
	if (capacity == n->capacity)
		return 0;
	bytes = realloc(n->bytes, capacity);
	if (bytes == NULL)
		return -ENOMEM;
	n->bytes = bytes;
	n->capacity = capacity;
	return 0;
}

/*
 * add: one note more, with a description of zeros
 *
 * => *desc is valid until the next one is added
 */
static int
add(struct elfnotes *n, const char *name, uint32_t type, size_t len,
    void **desc)
{
	size_t name_len = strlen(name) + 1, total;
	Elf64_Nhdr header = { .n_type = type };
	int r;

	if (len > UINT32_MAX - 3)
		return -EINVAL;
	header.n_namesz = (Elf64_Word)name_len;
	header.n_descsz = (Elf64_Word)len;
	total = sizeof(header) + padded(name_len) + padded(len);
	r = make_room(n, total);
	if (r < 0)
		return r;
	memset(n->bytes + n->len, 0, total);
	memcpy(n->bytes + n->len, &header, sizeof(header));
	memcpy(n->bytes + n->len + sizeof(header), name, name_len);
	*desc = n->bytes + n->len + sizeof(header) + padded(name_len);
	n->len += total;
	return 0;
}

static int
add_bytes(struct elfnotes *n, const char *name, uint32_t type,
    const void *bytes, size_t len)
{
	void *desc;
	int r;

	if (len == 0)
		return 0;
	r = add(n, name, type, len, &desc);
	if (r == 0)
		memcpy(desc, bytes, len);
	return r;
}

static int
status_note(struct elfnotes *n, const struct elfcore_process *p,
    const struct elfcore_thread *t)
{
	struct elf_prstatus s = {
		.pr_info.si_signo = t->signal,
		.pr_cursig = (short)t->signal,
		.pr_pid = t->tid,
		.pr_ppid = p->ppid,
		.pr_pgrp = p->pgrp,
		.pr_sid = p->sid,
		.pr_fpvalid = t->fp.len > 0,
	};

	if (t->general.len != sizeof(s.pr_reg))
		return -EINVAL;
	memcpy(&s.pr_reg, t->general.bytes, sizeof(s.pr_reg));
	return add_bytes(n, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static int
register_notes(struct elfnotes *n, const struct elfcore_thread *t)
{
	int r;

	r = add_bytes(n, "CORE", NT_FPREGSET, t->fp.bytes, t->fp.len);
	if (r == 0)
		r = add_bytes(n, "LINUX", NT_X86_XSTATE, t->xstate.bytes,
		    t->xstate.len);
	return r;
}

static void
copy_text(char *to, size_t size, const char *from)
{
	if (from != NULL)
		memcpy(to, from, strnlen(from, size - 1));
}

static int
process_note(struct elfnotes *n, const struct elfcore_process *p)
{
	struct elf_prpsinfo s = {
		.pr_sname = 'R',
		.pr_pid = p->pid,
		.pr_ppid = p->ppid,
		.pr_pgrp = p->pgrp,
		.pr_sid = p->sid,
	};

	s.pr_uid = (__typeof__(s.pr_uid))p->uid;
	s.pr_gid = (__typeof__(s.pr_gid))p->gid;
	copy_text(s.pr_fname, sizeof(s.pr_fname), p->comm);
	copy_text(s.pr_psargs, sizeof(s.pr_psargs), p->args);
	return add_bytes(n, "CORE", NT_PRPSINFO, &s, sizeof(s));
}

/* => -EINVAL also for more than a note can tell of */
static int
files_size(const struct elfcore *c, size_t *size)
{
	size_t n = 2 * sizeof(uint64_t);

	for (size_t i = 0; i < c->nfiles; i++) {
		const struct elfcore_file *f = &c->files[i];

		if (f->start >= f->end || f->offset % ELFCORE_PAGE != 0 ||
		    __builtin_add_overflow(n,
			3 * sizeof(uint64_t) + strlen(f->path) + 1, &n))
			return -EINVAL;
	}
	*size = n;
	return 0;
}

/*
 * NT_FILE: the number of mappings, the unit of offsets, then start, end and
 * offset of each, then their paths, each ended by NUL.
 */
static int
files_note(struct elfnotes *n, const struct elfcore *c)
{
	uint64_t words[3] = { c->nfiles, ELFCORE_PAGE };
	size_t size;
	void *desc;
	char *word, *path;
	int r;

	if (c->nfiles == 0)
		return 0;
	r = files_size(c, &size);
	if (r == 0)
		r = add(n, "CORE", NT_FILE, size, &desc);
	if (r < 0)
		return r;
	/* By memcpy: a description is aligned to 4 only. */
	word = mempcpy(desc, words, 2 * sizeof(words[0]));
	path = word + c->nfiles * sizeof(words);
	for (size_t i = 0; i < c->nfiles; i++) {
		const struct elfcore_file *f = &c->files[i];

		words[0] = f->start;
		words[1] = f->end;
		words[2] = f->offset / ELFCORE_PAGE;
		word = mempcpy(word, words, sizeof(words));
		path = stpcpy(path, f->path) + 1;
	}
	return 0;
}

static int
thread_notes(struct elfnotes *n, const struct elfcore *c, size_t i)
{
	const struct elfcore_thread *t = &c->threads[i];
	int r;

	r = status_note(n, &c->process, t);
	if (r == 0 && i == 0) {
		r = process_note(n, &c->process);
		if (r == 0)
			r = add_bytes(n, "CORE", NT_AUXV, c->auxv, c->auxv_len);
		if (r == 0)
			r = files_note(n, c);
	}
	if (r == 0)
		r = register_notes(n, t);
	return r;
}

int
elfnotes_make(const struct elfcore *c, struct elfnotes *out)
{
	struct elfnotes n = { 0 };
	int r = c->nthreads > 0 ? 0 : -EINVAL;

	for (size_t i = 0; r == 0 && i < c->nthreads; i++)
		r = thread_notes(&n, c, i);
	if (r < 0) {
		elfnotes_fini(&n);
		return r;
	}
	*out = n;
	return 0;
}

void
elfnotes_fini(struct elfnotes *n)
{
	free(n->bytes);
	*n = (struct elfnotes){ 0 };
}
