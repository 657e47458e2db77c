"""startup.py: starting programs under a daemon (target 12)."""

import statistics

from .figures import Check, Outcome, Plot, column, rows

PROGRAM = '/bin/true'
MORE_MS = 1.0


def measure(bench):
    bench.field.get('pagerd')
    spawn = [bench.program('spawn'), bench.quick_or(100, 1000), bench.report,
             PROGRAM]
    with bench.daemon() as daemon:
        runs = bench.interleave('start-up', {
            'plain': lambda: bench.measure(spawn),
            'pagerd': lambda: bench.measure(
                daemon.run_words('1G') + spawn)})
    plain, ours = (statistics.median(column(runs[way], 'spawn_us')) / 1000
                   for way in ('plain', 'pagerd'))
    check = Check('more for each', ours - plain, MORE_MS,
                  'pagerd %.3f ms, plain %.3f ms' % (ours, plain),
                  unit=' ms')
    return Outcome({12: [check]}, runs, [
        Plot('fork, exec and exit of true', 'us',
             rows(runs, ['spawn_us'], {'spawn_us': 'each'}))])
