"""cases_memory.py: our own client programs, each with an oracle of its bytes.

Each runs plain, and then with a quarter of the memory that it wants.
"""

import os

from harness import MIB, Run, check

CASES = {}

MEMOPS = ('mremap-size', 'mremap-move', 'mremap-dontunmap', 'munmap',
          'dontneed', 'free', 'free-reuse', 'free-idle', 'mprotect',
          'mprotect-split', 'mlock', 'populate', 'brk', 'thp', 'fresh', 'fresh-near',
          'read-first')
FORKS = ('halves', 'read-only', 'grandchildren', 'many', 'orphan', 'wipe',
         'remap', 'threaded')
# Children that no library notices get no agent: they are served, and their
# memory cannot be taken back, so these runs may exceed the budget.
# (wipe-raw is left out: HACKING.md, known limits.)
RAW_FORKS = ('quiet-fork', 'raw-clone', 'many-raw', 'threaded-raw')
PROCS = ('affinity', 'exec', 'exit', 'threads', 'main-exit', 'spawn',
         'close-fds', 'altstack', 'sigmask', 'chroot', 'setuid', 'no-fds')
# A child that can reach no daemon, or open nothing, has no agent either.
PROC_FORKS = ('chroot-fork', 'setuid-fork', 'no-fds-fork')
KINDS = ('pipe', 'socket', 'file', 'vector', 'direct', 'uring')
LIBRARIES = '/usr/lib/x86_64-linux-gnu/'
PRELOADS = {'jemalloc': 'libjemalloc.so.2',
            'tcmalloc': 'libtcmalloc_minimal.so.4'}
STORM_INCREMENTS = '200000'


def add(name, function, suite='live', timeout=300):
    CASES[name] = (suite, timeout, function)


def own(program, *args, mib=64, **options):
    """A case that runs one of our programs, wanting so many MiB."""
    def case(live):
        live.both([live.prog(program), *args], mib * MIB // 4,
                  live.daemon(), **options)
    return case


def alloc(library):
    """A case that keeps a preloaded allocator busy."""
    def case(live):
        env = {}
        if library:
            path = library_path(library)
            env['LD_PRELOAD'] = path
        live.both([live.prog('alloc'), 'malloc', '64', '4'], 16 * MIB,
                  live.daemon(), env=env)
    return case


def library_path(name):
    for directory in (LIBRARIES, '/usr/lib/aarch64-linux-gnu/', '/usr/lib/'):
        if os.path.exists(directory + name):
            return directory + name
    check(False, '%s is not there: see tools/packages' % name)
    return None


def small_space(live):
    live.both(['/bin/sh', '-c', 'ulimit -v 300000; exec "$0" "$@"',
               live.prog('procs'), 'small-space', '64'], 16 * MIB,
              live.daemon())


def fill_within(live):
    """Filled at once to 79 and 85 % of the limit: nothing has to leave."""
    daemon = live.daemon()
    for limit in (162, 150):
        run = Run(live, [live.prog('memops'), 'fill', '128'], limit * MIB,
                  daemon)
        run.wait(60)
        summary = run.summary()
        print('limit %d MiB: %s' % (limit, run.line()), flush=True)
        check(summary['managed'], 'not managed: %s' % summary)
        check(summary['peak'] >= 120 * MIB, 'it was not filled')
        check(summary['evicted_pages'] == 0, '%d pages were evicted' %
              summary['evicted_pages'])


def fuzz(mib, steps, programs, raw=()):
    """A case of random programs; TEST_SEED names the first.

    Of those that fork without a library's knowledge only the bytes count.
    """
    def case(live):
        daemon = live.daemon()
        for i in range(programs):
            seed = str(live.seed + i)
            print('fuzzmem with TEST_SEED=%s' % seed)
            live.both([live.prog('fuzzmem'), str(mib), str(steps), *raw],
                      mib * MIB // 4, daemon, env={'TEST_SEED': seed},
                      budget=not raw)
    return case


for op in MEMOPS:
    add('mem-' + op, own('memops', op, '64'))
# Sixteen children that make shared pages their own all at once pass the budget
# by some MiB for a moment (HACKING.md, known limits).
for op in FORKS:
    size = 128 if op == 'many' else 64
    add('fork-' + op, own('forks', op, str(size), mib=size,
                          budget=op != 'many'))
for op in RAW_FORKS:
    add('fork-' + op, own('forks', op, '64', budget=False))
for op in PROCS:
    add('proc-' + op, own('procs', op, '64'))
for op in PROC_FORKS:
    add('proc-' + op, own('procs', op, '64', budget=False))
add('mem-cold', own('memops', 'cold', '32', mib=32))
# Mappings that are on their way are foreign memory for a moment.
add('mem-churn', own('memops', 'churn', '64', budget=False))
add('mem-fill-within', fill_within)
add('proc-small-space', small_space)
for op in KINDS:
    add('io-' + op, own('kio', op, '32'))
for op in ('mutex', 'spin'):
    for threads in ('2', '8', '16'):
        add('storm-%s-%s' % (op, threads),
            own('storm', op, '64', threads, STORM_INCREMENTS))
add('alloc-glibc', alloc(None))
add('alloc-brk', own('alloc', 'brk', '64', '1'))
for key, value in PRELOADS.items():
    add('alloc-' + key, alloc(value))
add('fuzz', fuzz(64, 3000, 1), timeout=600)
add('fuzz-raw', fuzz(64, 1000, 1, ('raw',)), timeout=600)
add('fuzz-long', fuzz(64, 4500, 1), 'long', 1200)
add('fuzz-raw-long', fuzz(64, 6000, 1, ('raw',)), 'extra', 1200)
