"""keyvalue.py: a Redis server with four times its budget (target 8)."""

import os
import socket
import tempfile
import time

from .figures import Outcome, Plot, ratio_check
from .programs import Program, needed

KEY_BYTES = 1152  # a value of 1000 bytes, its key, and what Redis adds
CONNECTIONS = 8
WORKLOADS = ('uniform', 'zipf')
STARTS_WITHIN = 30  # seconds


def server_words(directory):
    """=> a server that keeps nothing on disk, at directory/sock"""
    return [needed('redis-server'), '--port', '0', '--unixsocket',
            os.path.join(directory, 'sock'), '--save', '', '--appendonly',
            'no', '--dir', directory, '--daemonize', 'no']


def await_server(program, directory):
    """Until it accepts connections."""
    end = time.monotonic() + STARTS_WITHIN
    while True:
        with socket.socket(socket.AF_UNIX) as sock:
            if sock.connect_ex(os.path.join(directory, 'sock')) == 0:
                return
        if program.proc.poll() is not None or time.monotonic() > end:
            raise program.complaint('no server')
        time.sleep(0.01)


def flatten(figures):
    return {'%s_%s' % (workload, name): value
            for workload, values in figures.items()
            for name, value in values.items()}


def serve(bench, contender):
    options = bench.options
    keys = options.mib * (1 << 20) // KEY_BYTES
    with tempfile.TemporaryDirectory(dir=bench.directory) as directory:
        with contender.ready(options.limit) as place:
            with Program(place.words + server_words(directory),
                         place.env) as server:
                await_server(server, directory)
                figures = bench.measure(
                    [bench.program('kvload'),
                     os.path.join(directory, 'sock'), keys,
                     bench.quick_or(1, 5), CONNECTIONS, bench.report])
            summary = contender.summary()
    figures = flatten(figures)
    if summary is not None:
        figures['summary'] = summary
    return figures


def checks(runs):
    ways = ('pagerd', 'zram')
    found = []
    for workload in WORKLOADS:
        found.append(ratio_check(
            workload + ': requests a second', runs, workload + '_per_s', ways,
            1.2, at_least=True, form='%.0f'))
        found.append(ratio_check(
            workload + ': p99', runs, workload + '_p99_us', ways, 1.0,
            form='%.0f us'))
    return found


def plot(title, unit, runs, name, lower_is_better):
    return Plot(title, unit, {workload: {
        way: [run['%s_%s' % (workload, name)] for run in done]
        for way, done in runs.items()} for workload in WORKLOADS},
        lower_is_better)


def measure(bench):
    found = [bench.field.get(name) for name in ('pagerd', 'zram')]
    needed('redis-server')
    runs = bench.interleave_contenders(
        'redis', found, lambda contender: serve(bench, contender))
    return Outcome({8: checks(runs)}, runs, [
        plot('Redis, gets and sets', 'a second', runs, 'per_s', False),
        plot('Redis, 99 of 100 answers within', 'us', runs, 'p99_us', True)])
