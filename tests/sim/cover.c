/*
 * cover.c: did the runs do what they are there for?
 *
 * A simulation that passes because a thing never happens proves nothing: each
 * line here has to have happened in a long run (sim --coverage).
 */
#include "cover.h"

#include <stdio.h>

#include "agent_fake.h"
#include "ctx.h"
#include "host.h"
#include "imagefiles.h"
#include "kernel.h"
#include "oracle.h"
#include "session.h"
#include "snap.h"
#include "store.h"
#include "task.h"

#define MAX_LINES 176

static struct {
	const char *name;
	uint64_t n;
} lines[MAX_LINES];
static uint32_t nlines;

static void
add(const char *name, uint64_t n)
{
	lines[nlines].name = name;
	lines[nlines++].n = n;
}

/* The pager's own counters that only a real run can be without. */
static void
add_pager(void)
{
	static const char *const names[] = { "faults_missing", "faults_wp",
		"faults_stale", "zero_fills", "refaults", "readahead",
		"unprotects", "evictions_dirty", "evictions_clean",
		"evictions_zero", "object_fills", "image_reads", "image_pages",
		"image_errors", "object_copies", "continues",
		"pages_deduplicated", "take_backs", "moves", "moves_busy",
		"moves_again", "moves_unsaid", "unshares", "drops", "throttled",
		"retries", "events_fork", "events_remap", "events_remove",
		"events_unmap", "adopted", "poisoned", "demoted", "promoted",
		"store_errors", "store_full", "clients_attached",
		"clients_dropped" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(names[i], host_counter(names[i]));
}

static void
add_kernel(void)
{
	add("kernel: copies on write", kernel.cow);
	add("kernel: pages reused after a fork", kernel.reuses);
	add("kernel: lazily freed pages lost", kernel.lazy_lost);
	add("kernel: pages swapped", kernel.swaps);
	add("kernel: zero pages", kernel.zero_pages);
	add("kernel: writes to protected zero pages", kernel.zero_waits);
	add("uffd: -EAGAIN", ctx_counts.again);
	add("uffd: -EEXIST", ctx_counts.exist);
	add("uffd: -ENOENT", ctx_counts.noent);
	add("uffd: -ESRCH", ctx_counts.esrch);
	add("uffd: partial copies", ctx_counts.partial);
	add("uffd: poisoned pages", ctx_counts.poisons);
}

static void
add_programs(void)
{
	add("reads", task_counts.reads);
	add("writes", task_counts.writes);
	add("I/O into pinned pages", task_counts.pins);
	add("MADV_DONTNEED", task_counts.dontneed);
	add("MADV_DONTNEED of clones", task_counts.clone_removals);
	add("MADV_FREE", task_counts.free);
	add("munmap", task_counts.unmap);
	add("mmap", task_counts.map);
	add("mmap, announced", task_counts.announced);
	add("mremap", task_counts.remap);
	add("growth in place", task_counts.grow);
	add("mprotect", task_counts.protect);
	add("MADV_WIPEONFORK, DONTFORK", task_counts.mark);
	add("forks", task_counts.forks);
	add("exits", task_counts.exits);
	add("interrupted faults", task_counts.signals);
	add("SIGBUS", task_counts.sigbus);
	add("oracle: reads", oracle_reads);
	add("oracle: one of several contents", oracle_choices);
}

static void
add_agents(void)
{
	add("agent: MOVE", agent_counts.moves);
	add("agent: pages moved", agent_counts.moved_pages);
	add("agent: pages moved, but not said so", agent_counts.unsaid);
	add("agent: holes", agent_counts.holes);
	add("agent: busy", agent_counts.busy);
	add("agent: again", agent_counts.again);
	add("agent: other errors", agent_counts.failed);
	add("agent: UNSHARE", agent_counts.unshares);
	add("agent: DROP", agent_counts.drops);
	add("agent: pages dropped", agent_counts.dropped_pages);
	add("agent: DROP of several mappings", agent_counts.drops_split);
	add("agent: DROP refused", agent_counts.drops_failed);
	add("agent: killed in DROP", agent_counts.drops_killed);
	add("agent: EMPTY", agent_counts.empties);
	add("agent: RELEASE", agent_counts.releases);
	add("agent: garbage", agent_counts.garbage);
	add("agent: killed for a lost daemon", agent_counts.killed);
	add("agent: died alone", agent_counts.deaths);
	add("store: full", store_counts.full);
	add("store: errors", store_counts.errors);
	add("store: unreadable", store_counts.bad);
	add("store: equal pages", store_counts.same);
	add("store: waits for reads", store_counts.waits);
	add("store: reads", store_counts.reads);
	add("store: moves", store_counts.moves);
	add("store: later", store_counts.later);
	add("store: different pages of one hash", store_counts.different);
	add("host: spurious", host_counts.spurious);
	add("host: refused", host_counts.refused);
	add("host: adoptions", host_counts.adopts);
	add("host: checks", host_counts.checks);
	add("host: parcels packed", host_counts.packs);
}

static void
add_snapshots(void)
{
	add("snapshots: wanted", snap_counts.asked);
	add("snapshots: not frozen", snap_counts.unfrozen);
	add("snapshots: taken", snap_counts.taken);
	add("snapshots: refused", snap_counts.refused);
	add("snapshots: timed out", snap_counts.timed_out);
	add("snapshots: pagerd is stopped", snap_counts.stopping);
	add("snapshots: holder came late", snap_counts.late);
	add("snapshots: holder never came", snap_counts.mute);
	add("snapshots: read", snap_counts.reads);
	add("snapshots: pages read", snap_counts.pages);
	add("snapshots: reader waited", snap_counts.waits);
	add("snapshots: read after its parent's end", snap_counts.outlived);
	add("snapshots: read after its holder's end", snap_counts.last);
	add("snapshots: dropped", snap_counts.dropped);
	add("snapshots: holder died", snap_counts.died);
	add("snapshots: group not closed", host_counts.busy_groups);
	add("agent: HOLD", agent_counts.holds);
	add("agent: HOLD answered with garbage", agent_counts.holds_garbage);
	add("agent: HOLD too late", agent_counts.holds_late);
	add("agent: killed in fork", agent_counts.forks_killed);
	add("agent: stopped", agent_counts.stops);
}

static void
add_objects(void)
{
	add("kernel: pages of files unmapped", kernel.file_lost);
	add("kernel: copies of pages of files", kernel.file_copies);
	add("kernel: writes to protected shared pages", kernel.shared_waits);
	add("uffd: minor faults", ctx_counts.minor_faults);
	add("files", frames_counts.files);
	add("files: pages written", frames_counts.written);
	add("files: pages punched", frames_counts.punched);
	add("library: OPEN", session_counts.opens);
	add("library: MAP, anonymous", session_counts.anonymous);
	add("library: MAP, shared", session_counts.shared);
	add("library: MAP of a name that is there", session_counts.joined);
	add("library: read-only regions", session_counts.readonly);
	add("library: regions", session_counts.regions);
	add("library: EXTEND", session_counts.extends);
	add("library: regions extended", session_counts.extended);
	add("library: UNLINK", session_counts.unlinks);
	add("library: QUERY", session_counts.queries);
	add("library: ADVISE", session_counts.advices);
	add("library: taken back", session_counts.taken_back);
	add("library: refused", session_counts.refused);
	add("library: asker died", session_counts.orphaned);
	add("library: regions cloned", session_counts.clones);
	add("library: clones of clones", session_counts.reclones);
	add("library: clones of a forgotten snapshot", session_counts.late);
	add("library: clones, the holder is dead", session_counts.posthumous);
	add("library: clones, the origin is dead", session_counts.orphans);
	add("library: MAP_FILE", session_counts.images);
	add("library: MAP_FILE of one that is mapped",
	    session_counts.joined_images);
	add("images: replaced", images_counts.replaced);
	add("images: reads", images_counts.reads);
	add("images: reads cut short", images_counts.partial);
	add("images: reads to be tried again", images_counts.again);
	add("images: reads that failed", images_counts.errors);
	add("images: reads behind the end", images_counts.ends);
	add("images: files became shorter", images_counts.cuts);
	add("images: reads that hang at a stop", images_counts.hung);
	add("images: SIGBUS", images_counts.bus);
	add("snapshots: kept for clones", snap_counts.kept);
	add("snapshots: forgotten", snap_counts.forgotten);
	add("snapshots: only copies lost", snap_counts.lost);
	add("clones: lost pages touched", snap_counts.bus);
}

static void
collect(void)
{
	nlines = 0;
	add_pager();
	add_kernel();
	add_programs();
	add_agents();
	add_snapshots();
	add_objects();
	SIM_CHECK(nlines <= MAX_LINES);
}

void
cover_print(void)
{
	collect();
	for (uint32_t i = 0; i < nlines; i++)
		printf("%-36s %llu\n", lines[i].name,
		    (unsigned long long)lines[i].n);
	printf("%-36s %llu\n", "agent: moved from unregistered memory",
	    (unsigned long long)agent_counts.unregistered);
	printf("%-36s %llu\n", "agent: faults while unsharing",
	    (unsigned long long)agent_counts.unshare_faults);
	printf("%-36s %llu\n", "agent: DROP too late",
	    (unsigned long long)agent_counts.drops_late);
	printf("%-36s %llu\n", "check: harmless differences",
	    (unsigned long long)host_counts.harmless);
}

bool
cover_complete(void)
{
	collect();
	for (uint32_t i = 0; i < nlines; i++)
		if (lines[i].n == 0)
			return false;
	return true;
}

uint32_t
cover_missing(void)
{
	uint32_t missing = 0;

	collect();
	for (uint32_t i = 0; i < nlines; i++) {
		if (lines[i].n > 0)
			continue;
		printf("never happened: %s\n", lines[i].name);
		missing++;
	}
	return missing;
}
