"""crowds.py: many clients, and many threads of one (target 10)."""

import contextlib
import os
import statistics

from .figures import Check, Outcome, Plot, median, rows
from .programs import Program, read_json

CLIENTS = 4
THREADS = 16
# A thread starves if it gets less than this share of what the mean one gets.
STARVED = 0.5


def together(bench, clients, threads):
    """=> what clients at once did, each in a group with the whole limit"""
    options = bench.options
    reports = [os.path.join(bench.directory, 'crowd%d' % number)
               for number in range(clients)]
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(bench.daemon())
        running = [stack.enter_context(Program(
            daemon.run_words('%dM' % options.limit) +
            [bench.program('crowd'), options.mib, threads,
             bench.quick_or(1, 5), report])) for report in reports]
        for program in running:
            program.await_ready()
        for program in running:
            program.go_on()
        for program in running:
            program.wait()
    return merge([read_json(report) for report in reports])


def merge(done):
    visits = [figures['visits_per_s'] for figures in done]
    slowest = min(figures['slowest_share'] * figures['visits_per_s']
                  for figures in done)
    return {'visits_per_s': sum(visits),
            'slowest_share': slowest / statistics.mean(visits),
            'max_wait_ms': max(each['max_us'] for each in done) / 1000,
            'p99_us': max(each['p99_us'] for each in done),
            'clients': done}


def checks(runs):
    one = median(runs['one'], 'visits_per_s')
    found = []
    for way, label in (('clients', '%d clients' % CLIENTS),
                       ('threads', '%d threads' % THREADS)):
        visits = median(runs[way], 'visits_per_s')
        found.append(Check(label + ': throughput', visits / one, 1.0,
                           '%.0f a second, one alone %.0f' % (visits, one),
                           at_least=True))
        found.append(Check(
            label + ': slowest thread / mean',
            median(runs[way], 'slowest_share'), STARVED,
            'max wait %.1f ms, one alone %.1f ms' % (
                median(runs[way], 'max_wait_ms'),
                median(runs['one'], 'max_wait_ms')), at_least=True))
    return found


def measure(bench):
    bench.field.get('pagerd')
    runs = bench.interleave('crowds', {
        'one': lambda: together(bench, 1, 1),
        'clients': lambda: together(bench, CLIENTS, 1),
        'threads': lambda: together(bench, 1, THREADS)})
    return Outcome({10: checks(runs)}, runs, [
        Plot('Visits at random, a second, of all together', 'a second',
             rows(runs, ['visits_per_s'], {'visits_per_s': 'visits'}), False),
        Plot('Longest wait of any thread', 'ms',
             rows(runs, ['max_wait_ms'], {'max_wait_ms': 'wait'}))])
