/*
 * images.h: files that objects come from, and reads of them
 *
 * A file may be on a file system that is slow, or never answers: it is read by
 * workers of the kernel, and whoever needs a page meanwhile waits and asks
 * again.
 *
 *	          images_read()                images_read_done()
 *	READ_FREE -------------> READ_BUSY ------------------> READ_DONE
 *	   ^                      |   ^ |                       |
 *	   |   its object is gone |   +-+ not all of it yet     | taken, or old
 *	   +----------------------+-----------------------------+
 *
 * What was read stays where it is until those who wanted it have taken it, or
 * had time enough to.
 */
#ifndef IMAGES_H
#define IMAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "planes.h"

struct client;
struct object;
struct pager;

#define IMAGE_READS 64u      /* at a time */
#define IMAGE_READ_PAGES 16u /* of one */
/* One that hangs keeps others of its file, or its user, from being made. */
#define IMAGE_READS_OF_FILE 8u
#define IMAGE_READS_OF_USER 16u

struct image { /* one for each object, by its index, also of other kinds */
	struct mail_file file; /* fd 0: the object comes from none */
	uint32_t reads;        /* that are under way */
	uint64_t progress_us;  /* the last one that has ended */
	bool starves;          /* none could begin */
	bool given_up;         /* at a stop: nothing more is read */
	uint64_t home; /* at a stop: pages before it are where they are seen */
};

enum image_read_state {
	READ_FREE,
	READ_BUSY, /* the kernel has the buffer */
	READ_DONE,
};

struct image_read {
	enum image_read_state state;
	uint32_t object; /* index; 0: gone meanwhile */
	uint32_t uid;
	int fd;
	uint64_t first; /* page of the file */
	uint32_t npages;
	uint32_t got;    /* whole pages, and of the file's last what it has */
	uint32_t wanted; /* bits: pages that somebody waits for */
	uint32_t tries;
	bool failed; /* the page behind those that were got is unreadable */
	uint64_t done_us;
};

struct images {
	struct image_read read[IMAGE_READS];
	uint8_t *buffers; /* IMAGE_READ_PAGES each */
	uint64_t number;  /* of the last image */
};

/* => the reads' buffers; 0 or -ENOMEM */
int images_open(struct pager *);
/* => what is being read keeps its buffer: the kernel may write to it yet */
void images_close(struct pager *);

/*
 * images_object: what regions of a file map
 *
 * => one of the same file and user, or a new one, for the caller to drop:
 *    *made; then the descriptor is the image's, and file->fd is -1
 * => 0, -ENOSPC
 */
int images_object(struct pager *, struct client *, struct mail_file *,
    struct object **, bool *made);
/* => vm.h's object_gone */
void images_gone(struct pager *, uint32_t object);

/*
 * images_read: a page of the file that an object comes from
 *
 * => want: so many pages from there on are read if this one is not there; 0:
 *    none
 * => 0, LOAD_WAIT, -EIO: the file does not have it (any longer)
 */
int images_read(struct pager *, const struct object *, uint64_t page,
    uint32_t want, void *buf);
/* => pager_read_done() */
void images_read_done(struct pager *, uint32_t read, int result);

/* At a stop: what has not been read for long is not waited for. */
void images_give_up(struct pager *);

#endif
