/*
 * quantiles.h: what is shown of how long something took
 *
 * QUANTILE(name, permille, heading).  The names are those of
 * `pagerctl stats --json`: of 1000 values, permille or more are not above it.
 */
/* clang-format off */
QUANTILE(p50_ns, 500, "50%")
QUANTILE(p90_ns, 900, "90%")
QUANTILE(p99_ns, 990, "99%")
QUANTILE(p999_ns, 999, "99.9%")
/* clang-format on */
