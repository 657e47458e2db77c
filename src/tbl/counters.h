/*
 * counters.h: every counter of the fault plane
 *
 * COUNTER(name, unit, help).  The names are those of `pagerctl stats --json`.
 */
/* clang-format off */
COUNTER(faults_missing, "faults", "missing-page faults handled")
COUNTER(faults_wp, "faults", "write-protect faults handled")
COUNTER(faults_stale, "faults", "faults that were resolved already")
COUNTER(zero_fills, "pages", "pages filled with zeros at first touch")
COUNTER(refaults, "pages", "pages filled from the store on demand")
COUNTER(readahead, "pages", "pages filled from the store ahead of demand")
COUNTER(object_fills, "pages", "pages brought into shared frames at first touch")
COUNTER(object_copies, "pages", "pages of clones and images copied at a write")
COUNTER(continues, "pages", "shared frames mapped")
COUNTER(unprotects, "pages", "clean pages made writable")
COUNTER(evictions_dirty, "pages", "pages captured and stored")
COUNTER(evictions_clean, "pages", "pages captured whose stored copy was kept")
COUNTER(evictions_zero, "pages", "captured pages that were all zero")
COUNTER(pages_deduplicated, "pages", "captured pages that share a stored page of the same bytes")
COUNTER(take_backs, "pages", "captured pages returned before they were stored")
COUNTER(moves, "batches", "capture batches sent to agents")
COUNTER(moves_busy, "pages", "pages that could not be captured (shared or pinned)")
COUNTER(moves_again, "pages", "pages not captured because mappings were changing")
COUNTER(unshares, "pages", "fork-shared pages made private for eviction")
COUNTER(throttled, "faults", "faults that waited for eviction")
COUNTER(retries, "faults", "fills repeated because mappings were changing")
COUNTER(events_fork, "events", "forks of managed processes")
COUNTER(events_remap, "events", "mremap of managed ranges")
COUNTER(events_remove, "events", "madvise(DONTNEED, FREE) on managed ranges")
COUNTER(events_unmap, "events", "munmap of managed ranges")
COUNTER(adopted, "pages", "pages of mappings adopted")
COUNTER(poisoned, "pages", "pages that could not be read back")
COUNTER(store_errors, "calls", "calls to a store that failed")
COUNTER(store_full, "calls", "evictions refused because the store was full")
COUNTER(clients_attached, "clients", "clients attached")
COUNTER(clients_dropped, "clients", "clients dropped for breaking the protocol")
COUNTER(fault_us, "us", "time from reading a fault to resolving it, summed")
/* clang-format on */
