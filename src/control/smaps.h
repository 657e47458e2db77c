/*
 * smaps.h: reading /proc/PID/smaps
 *
 * Pure but for smaps_read(): text goes in by smaps_feed(), in pieces of any
 * size, and one struct smaps_vma comes out for each mapping.
 */
#ifndef SMAPS_H
#define SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMAPS_ADOPT_MIN_BYTES (16 * UINT64_C(4096))

struct smaps_vma {
	uint64_t start, end; /* bytes */
	uint64_t pss_bytes, pss_dirty_bytes, anon_bytes;
	bool private;   /* MAP_PRIVATE */
	bool anonymous; /* no file; of a kind that may be adopted */
	bool file;      /* has an inode */
	bool flags_ok;  /* VmFlags were there, and allow adoption */
	bool wiped;     /* empty in a forked child */
};

typedef void smaps_each(const struct smaps_vma *, void *ctx);

struct smaps {
	struct smaps_vma vma; /* being read */
	bool open;            /* vma is one */
	size_t len;
	char line[256]; /* of longer lines, the start */
	smaps_each *each;
	void *ctx;
};

void smaps_init(struct smaps *, smaps_each *, void *ctx);
void smaps_feed(struct smaps *, const char *text, size_t len);
void smaps_end(struct smaps *); /* hands out the last mapping */

/* => reads fd from its start; 0, -ESRCH (process is gone), -errno */
int smaps_read(int fd, smaps_each *, void *ctx);

/* => of /proc/PID/smaps_rollup: its share of anonymous pages; as above */
int smaps_rollup_read(int fd, uint64_t *pss_anon_bytes);

/* Anonymous, private, writable, large enough, and not to be left alone? */
bool smaps_adoptable(const struct smaps_vma *);

/*
 * smaps_pss_anon: the process's share of the mapping's anonymous pages
 *
 * => exact for mappings without a file; with one, dirty pages stand for
 *    anonymous ones (smaps has Pss_Anon in the roll-up only)
 */
uint64_t smaps_pss_anon(const struct smaps_vma *);

#endif
