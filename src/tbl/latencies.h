/*
 * latencies.h: what is measured of each fault that was resolved
 *
 * LATENCY(name, help).  The names are those of `pagerctl stats --json`, and of
 * the members of struct mail_stats.
 */
/* clang-format off */
LATENCY(service, "what the fault thread worked on a fault")
LATENCY(wait, "what a fault waited, as far as the daemon sees")
/* clang-format on */
