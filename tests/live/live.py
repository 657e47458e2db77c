#!/usr/bin/python3
"""live.py: runs one live case, or lists them all.

usage: live.py --list [MODULE...]
       live.py CASE BUILD SOURCE

Every case starts a daemon of its own, as root; see harness.py for what is
asserted of every run.  TEST_SEED repeats a run; LIVE_KEEP=1 keeps the files.
"""

import sys

import cases_arena
import cases_daemon
import cases_dedup
import cases_memory
import cases_programs
import cases_rows
import cases_snapshot
import cases_stores
import cases_usage
from harness import run_case

CASES = {}
for module in (cases_arena, cases_memory, cases_programs, cases_daemon,
               cases_dedup, cases_rows, cases_snapshot, cases_stores,
               cases_usage):
    CASES.update(module.CASES)


def main():
    if sys.argv[1:2] == ['--list']:
        for name, (suite, timeout, _) in CASES.items():
            print(name, suite, timeout)
        return 0
    if len(sys.argv) != 4 or sys.argv[1] not in CASES:
        print(__doc__, file=sys.stderr)
        return 2
    name, build, source = sys.argv[1:]
    return run_case(CASES[name][2], name, build, source)


sys.exit(main())
