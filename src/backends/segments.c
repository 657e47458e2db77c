/*
 * segments.c: small objects in shared memory, addressed by position
 *
 *	memfd:	| header | classes[nsegments] ... | segment 0 | segment 1 | ...
 *	segment:| object 0 | object 1 | ... | rest, smaller than an object |
 *	object:	| 16-bit head | payload |, or the bytes of a whole page alone
 *
 * All objects of a segment have its class's size.  A segment is filled from
 * its start, so that its memory is touched as it is needed; objects never move.
 * When its last object goes it is punched, but for the last few while others
 *are in use: to give memory back and to get it again costs more than all else
 *that is done for a page.  The head of a live object is its length; that of a
 *free one has HEAD_FREE and links to the next free one, which makes freeing
 *twice, and loading what is free, visible.  Whole pages have no head: a bit for
 *each stands in the index.
 *
 * SEGMENT_BYTES weighs two kinds of waste.  What is left at a segment's end is
 * less for larger segments (for objects of 1.3 KiB 1% of 64 KiB); a segment
 * that holds one forgotten object wastes the more the larger it is.
 */
#include "segments.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "assert.h"
#include "reserve.h"

#define MAGIC UINT64_C(0x746e656d67657370) /* "psegment" */
#define VERSION 1
#define SEGMENT_BYTES 65536u
#define SEGMENTS_MAX                                                           \
	(UINT32_C(1) << 31) /* 128 TiB: more than can be mapped                \
			     */
#define CLASS_WHOLE (SEGMENT_PAGE / SEGMENT_STEP)

#define WARM_MAX 32u /* empty segments that keep their memory */

#define HEAD_FREE 0x8000u
#define HEAD_LINK 0x7fffu /* a free object's link; all set: the last */

struct segments_header {
	uint64_t magic;
	uint32_t version;
	uint32_t segment_bytes;
	uint32_t nsegments;
};

struct object {
	uint16_t head;
	char payload[];
};

struct segment {                   /* index */
	LIST_ENTRY(segment) entry; /* of a partial list or the empty one */
	uint16_t nlive;
	uint16_t high;      /* no object from here on was ever used */
	uint16_t free_head; /* HEAD_LINK: none */
	uint16_t live;      /* whole pages: a bit each */
	uint32_t touched;   /* bytes, from its start; also when it is empty */
};

/* An object that a position names. */
struct place {
	uint32_t segment;
	uint32_t class;
	uint32_t number; /* in its segment */
	struct object *object;
	uint32_t len; /* 0: damaged */
};

_Static_assert(SEGMENT_BYTES / SEGMENT_PAGE <= 16, "struct segment.live");
_Static_assert(SEGMENT_BYTES / SEGMENT_STEP < HEAD_LINK, "links fit");
_Static_assert(SEGMENT_CLASSES <= 64, "struct segments.has_partial");

static uint64_t
round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t
data_offset(uint32_t nsegments)
{
	return round_up(SEGMENT_PAGE + (uint64_t)nsegments, SEGMENT_BYTES);
}

static uint64_t
map_bytes(uint32_t nsegments)
{
	return data_offset(nsegments) + (uint64_t)nsegments * SEGMENT_BYTES;
}

/* => memory for the header, and for what stands about high segments */
static uint64_t
metadata_bytes(uint32_t high)
{
	return SEGMENT_PAGE + round_up(high, SEGMENT_PAGE) +
	       round_up(high * sizeof(struct segment), SEGMENT_PAGE);
}

static uint32_t
objects_in(uint32_t class)
{
	return SEGMENT_BYTES / (class * SEGMENT_STEP);
}

/*
 * => the class for objects of len bytes: of all sizes of which equally many
 *    fit in a segment the largest, so that there are fewer classes
 */
static uint32_t
class_of(uint32_t len)
{
	uint32_t steps;

	if (len == SEGMENT_PAGE)
		return CLASS_WHOLE;
	steps = (len + (uint32_t)sizeof(struct object) + SEGMENT_STEP - 1) /
		SEGMENT_STEP;
	return SEGMENT_BYTES / objects_in(steps) / SEGMENT_STEP;
}

/* => memory touched by the first n objects of a segment */
static uint64_t
touched_bytes(uint32_t class, uint32_t n)
{
	return round_up((uint64_t)n * class * SEGMENT_STEP, SEGMENT_PAGE);
}

static void
punch(struct segments *s, struct segment *g)
{
	uint64_t n = (uint64_t)(g - s->index);

	reserve_punch(s->fd, data_offset(s->nsegments) + n * SEGMENT_BYTES,
	    SEGMENT_BYTES);
	s->used -= g->touched;
	g->touched = 0;
}

/* => a warm one is an empty one like any other */
static void
cool_down(struct segments *s)
{
	struct segment *g = LIST_FIRST(&s->warm);

	LIST_REMOVE(g, entry);
	s->nwarm--;
	punch(s, g);
	LIST_INSERT_HEAD(&s->empty, g, entry);
}

/* => so many bytes may be touched besides; at the cost of warm segments */
static bool
fits(struct segments *s, uint64_t bytes)
{
	while (s->nwarm > 0 && s->used + bytes > s->capacity)
		cool_down(s);
	return s->used <= s->capacity && bytes <= s->capacity - s->used;
}

static struct object *
object_at(const struct segments *s, uint32_t segment, uint32_t class,
    uint32_t number)
{
	return (struct object *)(s->data + (size_t)segment * SEGMENT_BYTES +
				 (size_t)number * class * SEGMENT_STEP);
}

static void
list_partial(struct segments *s, struct segment *g, uint32_t class)
{
	LIST_INSERT_HEAD(&s->partial[class], g, entry);
	s->has_partial |= UINT64_C(1) << (class - 1);
}

static void
unlist_partial(struct segments *s, struct segment *g, uint32_t class)
{
	LIST_REMOVE(g, entry);
	if (LIST_EMPTY(&s->partial[class]))
		s->has_partial &= ~(UINT64_C(1) << (class - 1));
}

/* => an empty segment, warm if possible; NULL: there is none */
static struct segment *
segment_empty(struct segments *s)
{
	struct segment *g = LIST_FIRST(&s->warm);
	uint64_t metadata;

	if (g != NULL) {
		s->nwarm--;
		LIST_REMOVE(g, entry);
		return g;
	}
	g = LIST_FIRST(&s->empty);
	if (g != NULL) {
		LIST_REMOVE(g, entry);
		return g;
	}
	metadata = metadata_bytes(s->high + 1) - metadata_bytes(s->high);
	if (s->high == s->nsegments || !fits(s, metadata))
		return NULL;
	s->used += metadata;
	return &s->index[s->high++];
}

/*
 * segment_start: give an empty segment to a class
 *
 * => only if there is room for its first object too
 * => returns 0 or -ENOSPC
 */
static int
segment_start(struct segments *s, uint32_t class)
{
	struct segment *g = segment_empty(s);

	if (g == NULL)
		return -ENOSPC;
	if (touched_bytes(class, 1) > g->touched &&
	    !fits(s, touched_bytes(class, 1) - g->touched)) {
		punch(s, g);
		LIST_INSERT_HEAD(&s->empty, g, entry);
		return -ENOSPC;
	}
	g->nlive = 0;
	g->high = 0;
	g->free_head = HEAD_LINK;
	g->live = 0;
	s->classes[g - s->index] = (uint8_t) class;
	list_partial(s, g, class);
	return 0;
}

static void
segment_clear(struct segments *s, struct segment *g, uint32_t class)
{
	unlist_partial(s, g, class);
	s->classes[g - s->index] = 0;
	LIST_INSERT_HEAD(&s->warm, g, entry);
	if (++s->nwarm > WARM_MAX)
		cool_down(s);
}

/* => prefers memory that is touched already; 0 or -ENOSPC */
static int
object_take(struct segments *s, struct segment *g, uint32_t class,
    uint32_t *number)
{
	const struct object *o;
	uint64_t need;

	if (g->free_head != HEAD_LINK) {
		*number = g->free_head;
		o = object_at(s, (uint32_t)(g - s->index), class, *number);
		ASSERT((o->head & HEAD_FREE) != 0);
		g->free_head = o->head & HEAD_LINK;
		ASSERT(g->free_head == HEAD_LINK || g->free_head < g->high);
	} else {
		need = touched_bytes(class, g->high + 1u);
		if (need > g->touched) {
			if (!fits(s, need - g->touched))
				return -ENOSPC;
			s->used += need - g->touched;
			g->touched = (uint32_t)need;
		}
		*number = g->high++;
	}
	g->nlive++;
	if (g->nlive == objects_in(class))
		unlist_partial(s, g, class);
	return 0;
}

/*
 * class_take: take an object from a segment of the class that has one
 *
 * => the list's tail is the only segment that may have untouched objects, so
 *    the first one decides: it has a free object if any has
 */
static int
class_take(struct segments *s, uint32_t class, struct place *p)
{
	struct segment *g = LIST_FIRST(&s->partial[class]);
	int r;

	if (g == NULL)
		return -ENOSPC;
	r = object_take(s, g, class, &p->number);
	if (r < 0)
		return r;
	p->segment = (uint32_t)(g - s->index);
	p->class = class;
	p->object = object_at(s, p->segment, class, p->number);
	return 0;
}

/*
 * larger_take: no memory is left: use the gaps in segments of larger objects
 *
 * => whole pages have no length, so theirs cannot be used
 */
static int
larger_take(struct segments *s, uint32_t class, struct place *p)
{
	uint64_t left = s->has_partial & ~(UINT64_C(1) << (CLASS_WHOLE - 1));

	if (class == CLASS_WHOLE)
		return -ENOSPC;
	left &= ~((UINT64_C(1) << class) - 1);
	for (; left != 0; left &= left - 1) {
		class = (uint32_t)__builtin_ctzll(left) + 1;
		if (class_take(s, class, p) == 0)
			return 0;
	}
	return -ENOSPC;
}

static int
place_take(struct segments *s, uint32_t class, struct place *p)
{
	if (LIST_EMPTY(&s->partial[class]))
		(void)segment_start(s, class);
	if (class_take(s, class, p) == 0)
		return 0;
	return larger_take(s, class, p);
}

/*
 * place_find: the object at a position
 *
 * => false unless it is alive, by all that truth and index know; the handle
 *    may come from memory that is damaged
 */
static bool
place_find(const struct segments *s, uint64_t position, struct place *p)
{
	uint64_t offset = position * SEGMENT_STEP;
	uint64_t start = data_offset(s->nsegments);
	const struct segment *g;
	uint32_t in_segment;

	if (position >= map_bytes(s->nsegments) / SEGMENT_STEP ||
	    offset < start || (offset - start) / SEGMENT_BYTES >= s->high)
		return false;
	p->segment = (uint32_t)((offset - start) / SEGMENT_BYTES);
	in_segment = (uint32_t)((offset - start) % SEGMENT_BYTES);
	p->class = s->classes[p->segment];
	if (p->class == 0 || p->class > SEGMENT_CLASSES ||
	    in_segment % (p->class * SEGMENT_STEP) != 0)
		return false;
	p->number = in_segment / (p->class * SEGMENT_STEP);
	g = &s->index[p->segment];
	if (p->number >= g->high)
		return false;
	p->object = object_at(s, p->segment, p->class, p->number);
	if (p->class == CLASS_WHOLE) {
		p->len = SEGMENT_PAGE;
		return (g->live >> p->number & 1) != 0;
	}
	p->len = p->object->head;
	if (p->len > p->class * SEGMENT_STEP - sizeof(struct object))
		p->len = 0;
	return (p->object->head & HEAD_FREE) == 0;
}

/* => how many to reserve address space for */
static uint64_t
segments_for(uint64_t capacity)
{
	uint64_t bytes = reserve_physical();

	if (capacity != UINT64_MAX && capacity > bytes)
		bytes = capacity;
	/* Each class may have one segment that is not filled to its end. */
	return bytes / SEGMENT_BYTES + SEGMENT_CLASSES;
}

static int
reserve_all(struct segments *s, const char *name)
{
	void *map, *index;
	int r;

	r = reserve_shared(name, map_bytes(s->nsegments), &s->fd, &map);
	if (r < 0)
		return r;
	r = reserve_private(s->nsegments * sizeof(*s->index), &index);
	if (r < 0) {
		reserve_release(map, map_bytes(s->nsegments));
		close(s->fd);
		return r;
	}
	/* A core dump of the daemon is not to show its clients' memory. */
	(void)madvise(map, map_bytes(s->nsegments), MADV_DONTDUMP);
	s->map = map;
	s->classes = (uint8_t *)s->map + SEGMENT_PAGE;
	s->data = s->map + data_offset(s->nsegments);
	s->index = index;
	return 0;
}

int
segments_open(struct segments *s, const char *name, uint64_t capacity)
{
	uint64_t nsegments = segments_for(capacity);
	uint32_t i;
	int r;

	if (nsegments > SEGMENTS_MAX)
		return -EFBIG;
	memset(s, 0, sizeof(*s));
	s->nsegments = (uint32_t)nsegments;
	r = reserve_all(s, name);
	if (r < 0)
		return r;
	s->capacity = capacity;
	s->used = metadata_bytes(0);
	for (i = 0; i <= SEGMENT_CLASSES; i++)
		LIST_INIT(&s->partial[i]);
	LIST_INIT(&s->empty);
	LIST_INIT(&s->warm);
	*(struct segments_header *)(void *)s->map = (struct segments_header){
		.magic = MAGIC,
		.version = VERSION,
		.segment_bytes = SEGMENT_BYTES,
		.nsegments = s->nsegments,
	};
	return 0;
}

void
segments_close(struct segments *s)
{
	reserve_release(s->index, s->nsegments * sizeof(*s->index));
	reserve_release(s->map, map_bytes(s->nsegments));
	close(s->fd);
}

int
segments_put(struct segments *s, const void *data, uint32_t len,
    uint64_t *position)
{
	struct place p;
	int r;

	ASSERT(len == SEGMENT_PAGE || (len > 0 && len <= SEGMENT_OBJECT_MAX));
	r = place_take(s, class_of(len), &p);
	if (r < 0)
		return r;
	if (len == SEGMENT_PAGE) {
		s->index[p.segment].live |= (uint16_t)(1u << p.number);
		memcpy(p.object, data, len);
	} else {
		p.object->head = (uint16_t)len;
		memcpy(p.object->payload, data, len);
	}
	s->stored += len;
	*position = (uint64_t)((char *)p.object - s->map) / SEGMENT_STEP;
	return 0;
}

const void *
segments_get(const struct segments *s, uint64_t position, uint32_t *len)
{
	struct place p;

	if (!place_find(s, position, &p) || p.len == 0)
		return NULL;
	*len = p.len;
	return p.class == CLASS_WHOLE ? (const void *)p.object
				      : p.object->payload;
}

uint32_t
segments_free(struct segments *s, uint64_t position)
{
	struct segment *g;
	struct place p;

	ASSERT(place_find(s, position, &p));
	g = &s->index[p.segment];
	if (g->nlive == objects_in(p.class))
		list_partial(s, g, p.class);
	p.object->head = (uint16_t)(HEAD_FREE | g->free_head);
	g->free_head = (uint16_t)p.number;
	g->live &= (uint16_t) ~(1u << p.number % 16);
	g->nlive--;
	s->stored -= p.len;
	if (g->nlive == 0)
		segment_clear(s, g, p.class);
	while (s->stored == 0 && s->nwarm > 0)
		cool_down(s);
	return p.len;
}
