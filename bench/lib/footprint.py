"""footprint.py: the memory that managing memory takes (target 11)."""

import time

from .errors import Failed
from .figures import Check, Outcome, Plot, median, rows
from .programs import Program

MIB = 1 << 20
# The memory is adopted (above 0.75 of the limit) and stays (below 0.95).
LIMIT_SHARE = 0.80
ADOPTED_WITHIN = 20  # seconds
BOUNDS = {'resident': 0.25, 'out': 0.5}  # percent


def daemon_bytes(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as f:
        for line in f:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    raise Failed('the daemon has gone')


def group_of(daemon):
    return daemon.ask_json('list')['groups'][0]


def await_resident(daemon, wanted):
    end = time.monotonic() + ADOPTED_WITHIN
    while group_of(daemon)['resident'] < wanted:
        if time.monotonic() > end:
            raise Failed('the memory was not adopted: %s' % group_of(daemon))
        time.sleep(0.05)


def look(daemon, before, managed):
    """=> percent of what is managed"""
    stats = daemon.ask_json('stats')
    rss = daemon_bytes(daemon.pid)
    own = rss - before - stats['store']['used']
    return {'metadata': 100 * stats['metadata'] / managed,
            'daemon': 100 * own / managed,
            'metadata_bytes': stats['metadata'], 'rss_bytes': rss,
            'store_bytes': stats['store']['used']}


def flatten(base, looks):
    figures = {'base_mib': base / MIB}
    for state, values in looks.items():
        for name, value in values.items():
            figures['%s_%s' % (state, name)] = value
    return figures


def once(bench, mib):
    with bench.daemon() as daemon:
        before = daemon_bytes(daemon.pid)
        words = daemon.run_words('%dM' % int(mib / LIMIT_SHARE))
        with Program(words + [bench.program('crowd'), mib, 1, 0,
                              bench.report]) as program:
            program.await_ready()
            await_resident(daemon, 0.95 * mib * MIB)
            looks = {'resident': look(daemon, before, mib * MIB)}
            daemon.ask('reclaim', group_of(daemon)['name'], '%dM' % mib)
            out = group_of(daemon)['out']
            if out < 0.9 * mib * MIB:
                raise Failed('only %d bytes went out' % out)
            looks['out'] = look(daemon, before, out)
            program.go_on()
            program.wait()
    return flatten(before, looks)


def measure(bench):
    bench.field.get('pagerd')
    mib = bench.quick_or(512, 1024)
    runs = bench.interleave('footprint', {'pagerd': lambda: once(bench, mib)})
    checks = []
    for state, bound in BOUNDS.items():
        for what in ('metadata', 'daemon'):
            name = '%s_%s' % (state, what)
            checks.append(Check(
                '%s, %s' % (what, state), median(runs['pagerd'], name), bound,
                'of %d MiB; a daemon without clients: %.1f MiB' % (
                    mib, median(runs['pagerd'], 'base_mib')), unit=' %'))
    names = {'%s_%s' % (state, what): '%s, %s' % (what, state)
             for state in BOUNDS for what in ('metadata', 'daemon')}
    return Outcome({11: checks}, runs, [
        Plot('Memory of the daemon beside its store', '% of managed',
             rows(runs, names, names))])
