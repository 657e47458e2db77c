/*
 * elfcore.c: a process as an ELF core file
 *
 *	header | program headers | section header 0 | notes | pad | memory
 *
 * The section header is there only if the number of program headers does not
 * fit into e_phnum: elf(5), PN_XNUM.  Memory that reads zero is not written.
 *
 * The memory of each segment begins at a page of the file: it can be mapped
 * (pagerd_restore()).
 */
#include "elfcore.h"

#include <sys/mman.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elfnote.h"
#include "pagerd/elf_machine.h"
#include "sink.h"
#include "zero.h"

struct layout { /* offsets in the file */
	uint64_t nheaders;
	uint64_t section; /* 0: there is none */
	uint64_t notes;
	uint64_t memory;
	uint64_t end;
};

struct writer {
	const struct elfcore *core;
	struct sink sink;
	struct elfnotes notes;
	struct layout at;
	uint8_t *buf; /* ELFCORE_READ_MAX bytes */
	struct elfcore_stats stats;
};

static uint64_t
bytes_in_file(const struct elfcore_segment *s)
{
	return s->in_file ? 0 : s->len;
}

/* => grows *at by n, and to the next multiple of align */
static int
extend(uint64_t *at, uint64_t n, uint64_t align)
{
	uint64_t end;

	if (__builtin_add_overflow(*at, n, &end) ||
	    __builtin_add_overflow(end, align - 1, &end) || end > INT64_MAX)
		return -EFBIG;
	*at = end / align * align;
	return 0;
}

static int
check_segments(const struct elfcore *c)
{
	uint64_t above = 0, end;

	if (c->nsegments >= UINT32_MAX)
		return -EINVAL;
	for (size_t i = 0; i < c->nsegments; i++) {
		const struct elfcore_segment *s = &c->segments[i];

		if (s->len == 0 || (s->start | s->len) % ELFCORE_PAGE != 0 ||
		    s->start < above ||
		    __builtin_add_overflow(s->start, s->len, &end))
			return -EINVAL;
		above = end;
	}
	return 0;
}

static int
plan(struct writer *w)
{
	const struct elfcore *c = w->core;
	struct layout *at = &w->at;
	uint64_t end = sizeof(Elf64_Ehdr);
	int r;

	at->nheaders = (uint64_t)c->nsegments + 1;
	r = extend(&end, at->nheaders * sizeof(Elf64_Phdr), 1);
	if (r == 0 && at->nheaders >= PN_XNUM) {
		at->section = end;
		r = extend(&end, sizeof(Elf64_Shdr), 1);
	}
	at->notes = end;
	if (r == 0)
		r = extend(&end, w->notes.len, ELFCORE_PAGE);
	at->memory = end;
	for (size_t i = 0; r == 0 && i < c->nsegments; i++)
		r = extend(&end, bytes_in_file(&c->segments[i]), 1);
	at->end = end;
	return r;
}

static int
put(struct writer *w, const void *bytes, size_t len, uint64_t at)
{
	return sink_put(&w->sink, bytes, len, at);
}

static int
put_header(struct writer *w)
{
	bool fits = w->at.section == 0;
	Elf64_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
		    PAGERD_ELF_DATA, EV_CURRENT, ELFOSABI_NONE },
		.e_type = ET_CORE,
		.e_machine = PAGERD_ELF_MACHINE,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = fits ? (Elf64_Half)w->at.nheaders : PN_XNUM,
		.e_shoff = w->at.section,
		.e_shentsize = fits ? 0 : sizeof(Elf64_Shdr),
		.e_shnum = fits ? 0 : 1,
	};

	return put(w, &h, sizeof(h), 0);
}

static int
put_section(struct writer *w)
{
	Elf64_Shdr s = {
		.sh_type = SHT_NULL,
		.sh_size = 1, /* section headers */
		.sh_info = (Elf64_Word)w->at.nheaders,
	};

	return w->at.section == 0 ? 0 : put(w, &s, sizeof(s), w->at.section);
}

static Elf64_Phdr
note_header(const struct writer *w)
{
	return (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = w->at.notes,
		.p_filesz = w->notes.len,
		.p_align = 4,
	};
}

static Elf64_Phdr
load_header(const struct elfcore_segment *s, uint64_t offset)
{
	return (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = offset,
		.p_vaddr = s->start,
		.p_filesz = bytes_in_file(s),
		.p_memsz = s->len,
		.p_flags = (s->prot & PROT_READ ? PF_R : 0u) |
			   (s->prot & PROT_WRITE ? PF_W : 0u) |
			   (s->prot & PROT_EXEC ? PF_X : 0u),
		.p_align = ELFCORE_PAGE,
	};
}

/* A buffer full at a time: there may be very many. */
static int
put_program_headers(struct writer *w)
{
	const size_t max = ELFCORE_READ_MAX / sizeof(Elf64_Phdr);
	uint64_t at = sizeof(Elf64_Ehdr), offset = w->at.memory;
	Elf64_Phdr *headers = (Elf64_Phdr *)w->buf;
	size_t n = 0;
	int r = 0;

	headers[n++] = note_header(w);
	for (size_t i = 0; r == 0 && i < w->core->nsegments; i++) {
		if (n == max) {
			r = put(w, headers, n * sizeof(*headers), at);
			at += n * sizeof(*headers);
			n = 0;
		}
		headers[n++] = load_header(&w->core->segments[i], offset);
		offset += bytes_in_file(&w->core->segments[i]);
	}
	return r < 0 ? r : put(w, headers, n * sizeof(*headers), at);
}

/* => writes what of the buffer is not zero, as few calls as it takes */
static int
put_pages(struct writer *w, size_t len, uint64_t at)
{
	size_t from = 0, to;
	int r;

	while (from < len) {
		if (all_zero(w->buf + from, ELFCORE_PAGE)) {
			w->stats.zero_bytes += ELFCORE_PAGE;
			from += ELFCORE_PAGE;
			continue;
		}
		to = from + ELFCORE_PAGE;
		while (to < len && !all_zero(w->buf + to, ELFCORE_PAGE))
			to += ELFCORE_PAGE;
		r = put(w, w->buf + from, to - from, at + from);
		if (r < 0)
			return r;
		w->stats.data_bytes += to - from;
		from = to;
	}
	return 0;
}

static int copy_pieces(struct writer *, uint64_t addr, uint64_t len,
    uint64_t at, size_t piece);

static int
copy_piece(struct writer *w, uint64_t addr, size_t len, uint64_t at)
{
	int r = w->core->read(w->core->ctx, addr, w->buf, len);

	switch (r) {
	case ELFCORE_DATA:
		return put_pages(w, len, at);
	case ELFCORE_ZERO:
		w->stats.zero_bytes += len;
		return 0;
	case ELFCORE_UNREADABLE:
		if (len > ELFCORE_PAGE)
			return copy_pieces(w, addr, len, at, ELFCORE_PAGE);
		w->stats.unreadable_bytes += len;
		return 0;
	default:
		return r < 0 ? r : -EINVAL;
	}
}

static int
copy_pieces(struct writer *w, uint64_t addr, uint64_t len, uint64_t at,
    size_t piece)
{
	uint64_t n;
	int r = 0;

	for (; r == 0 && len > 0; addr += n, at += n, len -= n) {
		n = len < piece ? len : piece;
		r = copy_piece(w, addr, (size_t)n, at);
	}
	return r;
}

static int
put_memory(struct writer *w)
{
	uint64_t at = w->at.memory;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->core->nsegments; i++) {
		const struct elfcore_segment *s = &w->core->segments[i];
		uint64_t len = bytes_in_file(s);

		r = copy_pieces(w, s->start, len, at, ELFCORE_READ_MAX);
		at += len;
	}
	return r;
}

static int
write_all(struct writer *w)
{
	int r;

	r = put_header(w);
	if (r == 0)
		r = put_program_headers(w);
	if (r == 0)
		r = put_section(w);
	if (r == 0)
		r = put(w, w->notes.bytes, w->notes.len, w->at.notes);
	if (r == 0)
		r = put_memory(w);
	return r < 0 ? r : sink_end(&w->sink);
}

int
elfcore_write(const struct elfcore *c, int fd, struct elfcore_stats *stats)
{
	struct writer w = { .core = c };
	int r;

	r = check_segments(c);
	if (r == 0)
		r = elfnotes_make(c, &w.notes);
	if (r == 0)
		r = plan(&w);
	if (r == 0)
		r = sink_open(&w.sink, fd, w.at.end);
	if (r == 0) {
		w.buf = malloc(ELFCORE_READ_MAX);
		r = w.buf == NULL ? -ENOMEM : write_all(&w);
	}
	free(w.buf);
	elfnotes_fini(&w.notes);
	if (r == 0) {
		w.stats.file_bytes = w.at.end;
		*stats = w.stats;
	}
	return r;
}
