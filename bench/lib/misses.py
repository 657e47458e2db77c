"""misses.py: which pages are kept, beside the best choice (target 9)."""

from .errors import Unavailable
from .figures import Check, Outcome, Plot, column, median
from .programs import Program, read_json

PAGE = 4096
MIB = 1 << 20


def refaults(daemon):
    return daemon.ask_json('stats')['counters']['refaults']


def other_pages(daemon, area_bytes):
    """=> resident pages of the program that are not of the area"""
    space, = daemon.ask_json('list')['spaces']
    regions = daemon.ask_json('regions', str(space['pid']))['regions']
    others = sum(region['resident'] for region in regions
                 if region['end'] - region['start'] < area_bytes)
    return (space['foreign'] + others) // PAGE


def replayed(bench, trace, frames):
    return bench.measure([bench.program('zipfreplay'), *trace, frames,
                          bench.report])


def trace_words(bench):
    """=> MIB READS SEED"""
    options = bench.options
    return [options.mib, bench.quick_or(4, 16) * options.mib * MIB // PAGE,
            options.seed]


def under_pagerd(bench):
    options = bench.options
    trace = trace_words(bench)
    bench.forget_report()
    with bench.daemon() as daemon:
        with Program(daemon.run_words('%dM' % options.limit) +
                     [bench.program('zipftrace'), *trace,
                      bench.report]) as program:
            program.await_ready()
            before = refaults(daemon)
            program.go_on()
            program.await_ready()
            misses = refaults(daemon) - before
            others = other_pages(daemon, options.mib * MIB)
            program.go_on()
            program.wait()
    figures = read_json(bench.report)
    frames = options.limit * MIB // PAGE - others
    figures.update(replayed(bench, trace, frames), misses=misses,
                   frames=frames)
    return shares(figures, trace[1])


def shares(figures, reads):
    for name in ('misses', 'lru', 'lfu', 'opt'):
        figures[name + '_share'] = figures[name] / reads
    return figures


def under_zram(bench, zram):
    """The kernel counts a fault that swapped something in as a major one."""
    trace = trace_words(bench)
    with zram.ready(bench.options.limit) as place:
        with Program(place.words + [bench.program('zipftrace'), *trace,
                                    bench.report], place.env) as program:
            for _ in range(2):
                program.await_ready()
                program.go_on()
            program.wait()
    figures = read_json(bench.report)
    figures['misses_share'] = figures['major_faults'] / trace[1]
    return figures


def ways(bench):
    found = {'pagerd': lambda: under_pagerd(bench)}
    try:
        zram = bench.field.get('zram')
    except Unavailable:
        return found
    found['zram'] = lambda: bench.attempt(zram,
                                          lambda: under_zram(bench, zram))
    return found


def check(label, runs, name, bound, **options):
    misses, other = median(runs, 'misses_share'), median(runs, name)
    return Check(label, misses / other, bound, 'misses %.2f %%, %s %.2f %%' % (
        100 * misses, name.split('_')[0], 100 * other), **options)


def measure(bench):
    bench.field.get('pagerd')
    runs = bench.interleave('zipf trace', ways(bench))
    ours = runs['pagerd']
    bars = {way: [100 * share for share in column(done, 'misses_share')]
            for way, done in runs.items()}
    for name in ('lru', 'lfu', 'opt'):
        bars[name] = [100 * share for share in column(ours, name + '_share')]
    return Outcome(
        {9: [check('misses, beside LRU', ours, 'lru_share', 1.0, strict=True),
             check('misses, beside Belady', ours, 'opt_share', 1.25)]},
        runs, [Plot('Reads that miss, zipf 0.99', '%', {'misses': bars})])
