"""within.py: real programs within their budget, as if we were not there
(target 1).
"""

import functools
import os
import sys
import tempfile
import time

from . import keyvalue
from .errors import Failed, Unavailable
from .figures import Check, Outcome, Plot, median, rows
from .programs import Program, needed, read_json, run

PAGE = 4096
MIB = 1 << 20
LIMIT_MIB = 4096  # far from what any of them wants
BOUND = 1.01
HUGE_BOUND = 0.98
HERE = os.path.dirname(os.path.abspath(__file__))
PYWORK = os.path.join(HERE, '..', '..', 'tests', 'live', 'pywork.py')

SQL = '''
CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO t SELECT i, printf('%%08x', i * 2654435761 %% 4294967296),
    printf('%%0200d', i) FROM n;
CREATE INDEX tk ON t(k);
SELECT count(*), sum(length(v)) FROM t WHERE k BETWEEN '2' AND 'd';
SELECT sum(a.id * length(b.v)) FROM t a JOIN t b ON b.k = a.k;
SELECT substr(k, 1, 1) s, count(*), max(v) FROM t GROUP BY s ORDER BY s;
'''

FUNCTION = '''
int f%(n)d(int *p, int k)
{
	int s = %(n)d;
	for (int i = 0; i < k; i++) {
		switch ((p[i] + %(n)d) %% 7) {
		case 0: s += p[i] * %(n)d; break;
		case 1: s ^= p[i] << %(shift)d; break;
		case 2: s -= p[i] / (%(n)d + 1); break;
		default: p[i] = s %% (p[i] | 1);
		}
	}
	return s;
}
'''


class Work:
    """A program, run in a directory.  run(words) => figures, what it said."""

    def __init__(self, bench, directory):
        self.bench = bench
        self.directory = directory

    def timed(self, argv, env=None):
        start = time.monotonic()
        said = run(argv, env, self.directory)
        return {'seconds': time.monotonic() - start}, said

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, 'w', encoding='ascii') as f:
            f.write(text)
        return path


class Sqlite(Work):
    name = 'sqlite3'

    def __init__(self, *where):
        super().__init__(*where)
        self.sqlite = needed('sqlite3')
        self.script = self.write(
            'script', SQL % self.bench.quick_or(20000, 600000))

    def run(self, words):
        return self.timed(words + [self.sqlite, ':memory:',
                                   '.read ' + self.script])


class Compile(Work):
    name = 'a compile'

    def __init__(self, *where):
        super().__init__(*where)
        self.make = needed('make')
        needed('cc')
        names = ['file%d' % i for i in range(self.bench.quick_or(2, 8))]
        functions = ''.join(FUNCTION % {'n': n, 'shift': n % 13}
                            for n in range(self.bench.quick_or(40, 250)))
        for name in names:
            self.write(name + '.c', functions)
        self.objects = [name + '.o' for name in names]
        self.write('Makefile', 'all: %s\n' % ' '.join(self.objects))

    def run(self, words):
        figures, _ = self.timed(words + [
            self.make, '-s', '-B', '-j%d' % os.cpu_count(), 'CFLAGS=-O2'])
        return figures, [self.read(name) for name in self.objects]

    def read(self, name):
        with open(os.path.join(self.directory, name), 'rb') as f:
            return f.read()


class Python(Work):
    name = 'python'

    def run(self, words):
        return self.timed(words + [sys.executable, '-B', PYWORK,
                                   self.bench.quick_or(16, 640)])


class RedisBenchmark(Work):
    name = 'redis-benchmark'

    def __init__(self, *where):
        super().__init__(*where)
        needed('redis-server')
        self.client = needed('redis-benchmark')

    def run(self, words):
        with Program(words + keyvalue.server_words(
                self.directory)) as server:
            keyvalue.await_server(server, self.directory)
            figures, _ = self.timed([
                self.client, '-s', os.path.join(self.directory, 'sock'),
                '-t', 'set,get,lpush', '-d', '512', '-r', '100000', '-c',
                '16', '-n', self.bench.quick_or(5000, 100000), '-q'])
        return figures, None


class Huge(Work):
    """Memory for which huge pages were asked; within the program's time."""

    name = 'huge pages'

    def run(self, words):
        mib = self.bench.quick_or(64, 512)
        run(words + [self.bench.program('touch'), '-H', mib,
                     self.bench.report])
        figures = read_json(self.bench.report)
        huge = figures.pop('huge_mib')
        visits_of_each_phase = mib * MIB // PAGE
        return {'seconds': sum(figures.values()) * visits_of_each_phase / 1e9,
                'huge_mib': huge}, None


WORKS = (RedisBenchmark, Sqlite, Compile, Python, Huge)


def both_ways(bench, work, daemon):
    """=> figures of each way; what the program says is the same each time"""
    said = []

    def remember(words):
        figures, output = work.run(words)
        said.append(output)
        if output != said[0]:
            raise Failed('%s: WRONG DATA: its output differs' % work.name)
        return figures

    def managed():
        path = os.path.join(bench.directory, 'summary')
        figures = remember(daemon.run_words('%dM' % LIMIT_MIB,
                                            '--summary=' + path))
        summary = read_json(path)
        if not summary['managed'] or summary['evicted_pages'] > 0:
            raise Failed('%s was not within its budget: %s' % (
                work.name, summary))
        return figures

    remember([])  # files are read, and the machine has its memory
    return bench.interleave(work.name, {
        'plain': functools.partial(remember, []), 'pagerd': managed})


def checks_of(name, runs):
    plain, ours = (median(runs[way], 'seconds')
                   for way in ('plain', 'pagerd'))
    found = [Check(name, ours / plain, BOUND,
                   'pagerd %.3g s, plain %.3g s' % (ours, plain))]
    if name == Huge.name:
        plain, ours = (median(runs[way], 'huge_mib')
                       for way in ('plain', 'pagerd'))
        if plain > 0:
            found.append(Check('MiB that are huge', ours / plain, HUGE_BOUND,
                               'pagerd %.0f, plain %.0f' % (ours, plain),
                               at_least=True))
    return found


def measure(bench):
    bench.field.get('pagerd')
    checks, bars, all_runs, notes = [], {}, {'plain': [], 'pagerd': []}, []
    for kind in WORKS:
        with tempfile.TemporaryDirectory(dir=bench.directory) as directory:
            try:
                work = kind(bench, directory)
            except Unavailable as unavailable:
                notes.append('%s: not measured: %s' % (kind.name,
                                                       unavailable))
                continue
            with bench.daemon() as daemon:
                runs = both_ways(bench, work, daemon)
        checks += checks_of(kind.name, runs)
        if kind is not Huge:
            bars.update(rows(runs, ['seconds'], {'seconds': kind.name}))
        for way, done in runs.items():
            all_runs[way].append({kind.name: done})
    return Outcome({1: checks}, all_runs, [
        Plot('Programs within their budget', 's', bars)], notes)
