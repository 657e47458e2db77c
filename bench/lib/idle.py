"""idle.py: a group within its budget that does nothing (target 13)."""

import os
import time

from .errors import Failed
from .figures import Check, Outcome, median
from .programs import Program

SETTLE = 3  # seconds
CPU_BOUND = 0.1  # percent
AGENT = 'pagerd-agent'
ROLES = ('watch', 'others', 'agent')


def read(path):
    with open(path, encoding='ascii') as f:
        return f.read()


def thread(directory):
    """=> name, voluntary switches, nanoseconds on a CPU"""
    status = dict(line.split(':\t', 1) for line in
                  read(directory + '/status').splitlines() if ':\t' in line)
    return (status['Name'], int(status['voluntary_ctxt_switches']),
            int(read(directory + '/schedstat').split()[0]))


def threads_of(pid):
    """=> {tid: ...}"""
    directory = '/proc/%d/task/' % pid
    return {tid: thread(directory + tid) for tid in os.listdir(directory)}


def ours(daemon, client):
    """The daemon's threads, and the agent in the program."""
    found = {('daemon', tid): seen
             for tid, seen in threads_of(daemon.pid).items()}
    for tid, seen in threads_of(client).items():
        if seen[0] == AGENT:
            found['agent', tid] = seen
    return found


def role(key, daemon):
    """The daemon's first thread watches how much memory groups have."""
    if key[0] == 'agent':
        return 'agent'
    return 'watch' if key[1] == str(daemon.pid) else 'others'


def differences(daemon, before, after, seconds):
    if before.keys() != after.keys():
        raise Failed('threads came and went: %s, %s' % (before, after))
    figures = dict.fromkeys(('cpu_percent', *ROLES), 0.0)
    for key, (_, wakes, ns) in after.items():
        figures[role(key, daemon)] += (wakes - before[key][1]) / seconds
        figures['cpu_percent'] += (ns - before[key][2]) / seconds / 1e7
    return figures


def once(bench, seconds):
    mib = 16
    with bench.daemon() as daemon:
        with Program(daemon.run_words('%dM' % (8 * mib)) + [
                bench.program('crowd'), mib, 1, 0, bench.report]) as program:
            program.await_ready()
            client = daemon.ask_json('list')['spaces'][0]['pid']
            time.sleep(SETTLE)
            before, start = ours(daemon, client), time.monotonic()
            time.sleep(seconds)
            after = ours(daemon, client)
            passed = time.monotonic() - start
            figures = differences(daemon, before, after, passed)
            program.go_on()
            program.wait()
    return figures


def measure(bench):
    bench.field.get('pagerd')
    seconds = bench.quick_or(3, 10)
    runs = bench.interleave('idle', {'pagerd': lambda: once(bench, seconds)})
    done = runs['pagerd']
    others = sum(median(done, name) for name in ('others', 'agent'))
    return Outcome({13: [
        Check('wake-ups beyond the watch\'s', others, 0, ', '.join(
            '%s %.1f' % (name, median(done, name)) for name in ROLES),
              unit=' /s'),
        Check('of a CPU', median(done, 'cpu_percent'), CPU_BOUND,
              'over %d s' % seconds, unit=' %')]}, runs)
