"""What bench/run, bench/snapshot and bench/clone are made of."""
