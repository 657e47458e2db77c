"""cases_programs.py: programs that know nothing of us, at a quarter of the
memory that they want.
"""

import base64
import hashlib
import os
import random
import shutil
import subprocess

import redis
from harness import MIB, NOBODY, Failure, Run, check, wait_for

CASES = {}
PYTHON = '/usr/bin/python3'
SORT_MIB = 200
STRESS = {
    # as many methods as 40 s allow; stress-vm-methods has them all
    'vm': ['--vm', '2', '--vm-bytes', '64m', '--vm-method', 'all',
           '--verify', '--vm-ops', '150000'],
    'fork': ['--fork', '2', '--fork-ops', '400', '--vm', '1', '--vm-bytes',
             '256m', '--vm-keep', '--vm-method', 'incdec', '--verify',
             '--vm-ops', '4000'],
    'vfork': ['--vfork', '2', '--vfork-ops', '400', '--vm', '1',
              '--vm-bytes', '256m', '--vm-keep', '--vm-method', 'flip',
              '--verify', '--vm-ops', '4000'],
    # its mappings are populated by the kernel at once, before anybody can
    # adopt them: each must be small beside the budget
    'mremap': ['--mremap', '2', '--mremap-bytes', '4m', '--verify',
               '--mremap-ops', '400', '--vm', '1', '--vm-bytes', '256m',
               '--vm-keep', '--vm-method', 'incdec', '--verify', '--vm-ops',
               '8000'],
    'madvise': ['--madvise', '2', '--madvise-ops', '60', '--vm', '1',
                '--vm-bytes', '256m', '--vm-keep', '--vm-method', 'modulo-x',
                '--verify', '--vm-ops', '1000'],
    'mmap': ['--mmap', '2', '--mmap-bytes', '48m', '--mmap-mprotect',
             '--verify', '--mmap-ops', '20'],
    'bigheap': ['--bigheap', '1', '--bigheap-growth', '64k', '--verify',
                '--bigheap-ops', '1500'],
    'malloc': ['--malloc', '2', '--malloc-bytes', '512k', '--malloc-max',
               '400', '--malloc-touch', '--verify', '--malloc-ops', '40000'],
    # a program that has userfaultfds of its own
    'userfaultfd': ['--userfaultfd', '1', '--userfaultfd-bytes', '16m',
                    '--userfaultfd-ops', '10000', '--vm', '1', '--vm-bytes',
                    '256m', '--vm-keep', '--vm-method', 'ror', '--verify',
                    '--vm-ops', '4000'],
}


def add(name, suite='long', timeout=900):
    """Registers the function as a case."""
    def register(function):
        CASES[name] = (suite, timeout, function)
        return function
    return register


def write_lines(path, mib, seed):
    """Lines of 60 to 340 characters, as many as make so many MiB."""
    rng = random.Random(seed)
    left = mib * MIB
    with open(path, 'wb', buffering=MIB) as f:
        while left > 0:
            line = base64.b64encode(rng.randbytes(rng.randrange(45, 255)))
            f.write(line + b'\n')
            left -= len(line) + 1
    os.chmod(path, 0o644)


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for block in iter(lambda: f.read(MIB), b''):
            digest.update(block)
    return digest.hexdigest()


def sort_case(live, parallel, mib=SORT_MIB, **options):
    lines = os.path.join(live.dir, 'lines')
    result = os.path.join(live.scratch, 'sorted')
    limit = mib * 3 // 2 * MIB // 4
    write_lines(lines, mib, live.seed)
    argv = ['sort', '-S', '%dM' % (mib * 3 // 2), '-T', live.scratch,
            '--parallel=%d' % parallel, '-o', result, lines]
    options.setdefault('env', {})['LC_ALL'] = 'C'
    plain = live.plain(argv, **options)
    check(plain.peak() > 2 * limit,
          'sort wants only %.1f MiB' % (plain.peak() / MIB))
    wanted = digest_of(result)
    os.unlink(result)
    live.managed(argv, limit, live.daemon(), **options)
    check(digest_of(result) == wanted, 'WRONG DATA: sorted otherwise')


@add('sort-1')
def sort_1(live):
    sort_case(live, 1)


@add('sort-2')
def sort_2(live):
    sort_case(live, 2)


def python_case(live, mib, **options):
    live.both([PYTHON, live.prog('pywork.py'), str(mib)], mib // 4 * MIB,
              live.daemon(), env={'PYTHONMALLOC': 'malloc'}, **options)


@add('python')
def python(live):
    python_case(live, 300)


class Redis:
    """A redis-server, plain or managed, on a Unix socket."""

    def __init__(self, live, name, limit=None, daemon=None, **options):
        self.dir = os.path.join(live.scratch, name)
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        self.socket = os.path.join(self.dir, 'sock')
        self.dump = os.path.join(self.dir, 'dump.rdb')
        self.live = live
        self.options = dict(options, limit=limit, daemon=daemon)
        self.run = None

    def start(self):
        argv = ['redis-server', '--port', '0', '--unixsocket', self.socket,
                '--unixsocketperm', '777', '--save', '', '--appendonly',
                'no', '--dir', self.dir, '--enable-debug-command', 'yes',
                '--daemonize', 'no', '--loglevel', 'notice']
        self.run = Run(self.live, argv, **self.options)
        wait_for('redis to answer', self.answers, 120)
        return redis.Client(self.socket)

    def answers(self):
        if self.run.proc.poll() is not None:
            raise Failure('redis ended with %d: %s' % (
                self.run.proc.returncode, self.run.stdout()))
        try:
            client = redis.Client(self.socket, 10)
            ready = client.call('PING') == b'PONG'
            client.close()
            return ready
        except (OSError, ValueError):
            return False

    def stop(self, client):
        """Ends it without saving, and asserts what is true of every run."""
        client.send('SHUTDOWN', 'NOSAVE')
        client.close()
        return self.run.wait(120)


def benchmark(live, server):
    """The keys of redis-benchmark have other names than ours."""
    done = subprocess.run(
        ['redis-benchmark', '-s', server.socket, '-t', 'set,get,lpush,lrange',
         '-n', '5000', '-r', '5000', '-d', '512', '-P', '16', '-c', '8',
         '--csv'], env=live.env, cwd=live.scratch, capture_output=True,
        timeout=300, check=False)
    check(done.returncode == 0 and done.stdout.count(b'\n') >= 4,
          'redis-benchmark: %s' % (done.stdout + done.stderr)[-500:])


def save_under_load(live, client, count):
    """BGSAVE, and then writes, which the dump must not contain."""
    changed = live.random.sample(range(count), count // 10)
    client.call('BGSAVE')
    check(client.call('INFO', 'persistence').find(
        b'rdb_bgsave_in_progress:1') >= 0, 'no BGSAVE is under way')
    check(redis.store(client, live.seed, changed, 1) == len(changed),
          'not everything was stored during BGSAVE')
    wait_for('BGSAVE', lambda: b'rdb_bgsave_in_progress:0' in client.call(
        'INFO', 'persistence'), 300)
    check(b'rdb_last_bgsave_status:ok' in client.call('INFO', 'persistence'),
          'BGSAVE failed')
    return set(changed)


def expect_keys(client, live, numbers, generation_of, when):
    wrong = redis.wrong(client, live.seed, numbers, generation_of)
    check(not wrong, 'WRONG DATA: %s: %d keys, %s first' % (
        when, len(wrong), wrong[:3]))


def fill(client, live, count):
    check(redis.store(client, live.seed, range(count), 0) == count,
          'not everything was stored')
    numbers = list(range(count))
    live.random.shuffle(numbers)
    expect_keys(client, live, numbers, lambda n: 0, 'read back')


def load_dump(live, dump, count, digest, **options):
    """A plain redis finds in the dump what was there at BGSAVE."""
    server = Redis(live, 'plain')
    shutil.copy(dump, server.dump)
    os.chmod(server.dump, 0o666)
    client = server.start()
    expect_keys(client, live, range(count), lambda n: 0, 'in the dump')
    check(client.call('DEBUG', 'DIGEST') == digest,
          'WRONG DATA: the digest of the dump differs')
    run = server.stop(client)
    print('plain:   %s' % run.line(), flush=True)
    check(run.peak() > 2 * options['limit'], 'redis wants only %.1f MiB' % (
        run.peak() / MIB))


def redis_case(live, mib, **options):
    count = mib * MIB // redis.VALUE_BYTES
    limit = mib // 4 * MIB
    daemon = live.daemon()
    server = Redis(live, 'managed', limit=limit, daemon=daemon, **options)
    client = server.start()
    fill(client, live, count)
    benchmark(live, server)
    digest = client.call('DEBUG', 'DIGEST')
    changed = save_under_load(live, client, count)
    expect_keys(client, live, range(count), lambda n: int(n in changed),
                'after BGSAVE')
    server.run.model_check(must_be_out=True)
    run = server.stop(client)
    print('managed: %s' % run.line(), flush=True)
    live.figures['managed'] = [[run.seconds, run.peak(), limit]]
    run.expect_budget()
    daemon.expect_idle()
    load_dump(live, server.dump, count, digest, limit=limit)


@add('redis')
def redis_300(live):
    redis_case(live, 300)


def tree_digests(path, suffixes):
    found = {}
    for root, _, names in os.walk(path):
        for name in names:
            if name.endswith(suffixes):
                full = os.path.join(root, name)
                found[os.path.relpath(full, path)] = digest_of(full)
    return found


def compile_both(live, prepare, build, suffixes, least, **options):
    """Builds in the same place, plain and managed; compares every file."""
    place = os.path.join(live.scratch, 'place')
    prepare(place)
    plain = live.plain(build, cwd=place, **options)
    wanted = tree_digests(place, suffixes)
    check(len(wanted) >= least, 'only %d files were built' % len(wanted))
    shutil.rmtree(place)
    prepare(place)
    limit = max(plain.peak() // 4, 16 * MIB)
    check(plain.peak() > 2 * limit,
          'the compiler wants only %.1f MiB' % (plain.peak() / MIB))
    live.managed(build, limit, live.daemon(), cwd=place, **options)
    built = tree_digests(place, suffixes)
    check(built == wanted, 'WRONG DATA: these differ: %s' % [
        name for name in wanted if built.get(name) != wanted[name]][:5])


def opened(path):
    """Anybody may write below path."""
    for root, _, names in os.walk(path):
        os.chmod(root, 0o777)
        for name in names:
            full = os.path.join(root, name)
            os.chmod(full, os.stat(full).st_mode | 0o666)


@add('compile-own')
def compile_own(live):
    """This project's own sources, by ninja."""
    def prepare(place):
        shutil.copytree(live.source, place, ignore=shutil.ignore_patterns(
            '.git', 'build', 'build-*', '__pycache__'))
        subprocess.run(['meson', 'setup', 'out', '.'], cwd=place,
                       env=live.env, stdout=subprocess.DEVNULL, timeout=300,
                       check=True)
    compile_both(live, prepare, ['ninja', '-j2', '-C', 'out'],
                 ('.o', '.a', '.so', 'pagerd', 'pagerctl'), 20)


def big_function(rng, number):
    lines = ['int f%d(int a, int *p)' % number, '{']
    for _ in range(20):
        lines.append('\tif (a > %d)\n\t\tp[%d] += a * %d;' % (
            rng.randrange(2, 99), rng.randrange(9), rng.randrange(1000)))
        lines.append('\ta = a * %d + p[%d];' % (
            rng.randrange(3, 99), rng.randrange(64)))
    return '\n'.join(lines + ['\treturn a;', '}', ''])


def big_table(rng, entries):
    yield 'const struct { unsigned a; const char *b; } table[] = {\n'
    for _ in range(entries):
        yield '\t{ %d, "%x" },\n' % (rng.getrandbits(31),
                                      rng.getrandbits(24))
    yield '};\n'


def write_big_sources(place, seed, files):
    """C files that make the compiler want about 100 MiB each."""
    rng = random.Random(seed)
    os.mkdir(place)
    objects = ' '.join('big%d.o' % i for i in range(files))
    for i in range(files):
        with open(os.path.join(place, 'big%d.c' % i), 'w',
                  encoding='ascii') as f:
            f.writelines(big_function(rng, number) for number in range(50))
            f.writelines(big_table(rng, 80000))
    with open(os.path.join(place, 'Makefile'), 'w', encoding='ascii') as f:
        f.write('CFLAGS = -O1\nall: %s\n' % objects)
    opened(place)


@add('compile-big')
def compile_big(live):
    """Large generated files, by make."""
    compile_both(live, lambda place: write_big_sources(
        place, live.seed, 6), ['make', '-s', '-j2'], ('.o',), 6)


def stress_argv(which):
    return ['stress-ng', '--temp-path', '.', '--no-rand-seed', '--timeout',
            '40', '--oomable', *STRESS[which]]


VM_LOOP = """
for method in all "$@"; do
	stress-ng --temp-path . --no-rand-seed --oomable --vm 2 --vm-bytes 64m \\
	    --vm-method "$method" --verify --vm-ops 2000 --timeout 2 || exit 1
	echo "$method"
done
"""


@add('stress-vm-methods')
def stress_vm_methods(live):
    """Every method has its turn, so that none takes all of the time.

    Each is a program of its own that fills its memory at once and soon ends:
    this is about bytes, and stress-vm holds the budget.
    """
    refusal = subprocess.run(
        ['stress-ng', '--vm', '1', '--vm-method', 'which'], env=live.env,
        capture_output=True, timeout=60, check=False)
    words = (refusal.stdout + refusal.stderr).decode().split()
    methods = words[words.index('all') + 1:]
    check(len(methods) > 25, 'stress-ng has no methods: %s' % words)
    run = live.both(['/bin/sh', '-c', VM_LOOP, 'sh', *methods], 16 * MIB,
                    live.daemon(), budget=False)
    check(run.stdout().split() == ['all'] + methods, run.stdout())


# As root this one takes pages away from the machine (MADV_HWPOISON).
STRESS_AS_USER = ('madvise',)
# Their mappings are also shared, locked, read-only, the program's own
# userfaultfd's, or populated at once by the kernel: nobody can evict, or
# foresee, those.
STRESS_WITHOUT_BUDGET = ('mmap', 'userfaultfd')


def stress_case(which, **options):
    def case(live):
        plain = live.plain(stress_argv(which), **options)
        limit = max(plain.peak() // 4, 8 * MIB)
        check(plain.peak() > 2 * limit,
              'it wants only %.1f MiB' % (plain.peak() / MIB))
        live.managed(stress_argv(which), limit, live.daemon(),
                     budget=which not in STRESS_WITHOUT_BUDGET, **options)
    return case


for method in STRESS:
    CASES['stress-' + method] = ('long', 900, stress_case(
        method, user=method in STRESS_AS_USER))


@add('user-sort')
def user_sort(live):
    sort_case(live, 2, mib=64, user=True)


@add('user-python')
def user_python(live):
    python_case(live, 100, user=True)


@add('user-redis')
def user_redis(live):
    redis_case(live, 80, user=True)


@add('user-compile')
def user_compile(live):
    compile_both(live, lambda place: write_big_sources(
        place, live.seed, 4), ['make', '-s', '-j2'], ('.o',), 3,
        user=True)


@add('user-stress')
def user_stress(live):
    stress_case('mremap', user=True)(live)


def expect_owner(daemon):
    """A user's program runs as the user, in a group of the user's."""
    def look(name, pid):
        del name
        check(os.stat('/proc/%d' % pid).st_uid == NOBODY,
              'the program does not run as an unprivileged user')
        check([g['uid'] for g in daemon.groups()] == [NOBODY],
              'the group does not belong to the user')
        daemon.check_model()
    return look


@add('user-own', 'live', 600)
def user_own(live):
    """Our own programs as an unprivileged user."""
    daemon = live.daemon()
    for argv in (('forks', 'halves', '64'), ('memops', 'mremap-move', '64'),
                 ('storm', 'mutex', '64', '8', '100000'),
                 ('kio', 'pipe', '32'), ('kio', 'direct', '32'),
                 ('procs', 'exec', '64'), ('fuzzmem', '64', '2000')):
        live.both([live.prog(argv[0]), *argv[1:]], 16 * MIB, daemon,
                  user=True, budget=argv[0] != 'fuzzmem')
    run = live.managed([live.prog('steady'), '64', '3'], 16 * MIB, daemon,
                       user=True, budget=False,
                       hold=expect_owner(daemon))
    check('full' in run.hold.seen, 'the program never got there')
