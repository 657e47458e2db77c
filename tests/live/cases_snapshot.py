"""cases_snapshot.py: snapshots of programs that go on working."""

import os
import signal
import struct
import subprocess

import redis
from cases_daemon import Steady
from cases_programs import PYTHON, Redis, expect_keys, fill
from corefile import Core
from harness import MIB, NOBODY, check, read_text, wait_for

CASES = {}
PAGE = 4096


def add(name, suite='live', timeout=300):
    """Registers the function as a case."""
    def register(function):
        CASES[name] = (suite, timeout, function)
        return function
    return register


def ctl(daemon, *words, status=0, user=False):
    """What pagerctl says, on stdout or of an error."""
    argv = [daemon.live.path('src/ctl/pagerctl'), '--socket', daemon.control]
    if user:
        argv = ['setpriv', '--reuid=%d' % NOBODY, '--regid=%d' % NOBODY,
                '--clear-groups'] + argv
    done = subprocess.run(argv + list(words), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=300, check=False,
                          cwd=daemon.live.scratch)
    text = (done.stdout + done.stderr).decode()
    check(done.returncode == status, 'pagerctl %s: exit status %d: %s' % (
        ' '.join(words), done.returncode, text))
    return text.strip()


def core_of(live, daemon, name):
    path = os.path.join(live.scratch, name + '.core')
    print(ctl(daemon, 'export', name, path))
    return path


def backtrace(program, core):
    """What gdb says of all threads."""
    done = subprocess.run(
        ['gdb', '-nx', '-batch', '-ex', 'thread apply all bt', program,
         core], stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        check=False)
    return done.stdout.decode(errors='replace')


def drop(daemon, name):
    ctl(daemon, 'drop', name)
    check(name not in names(daemon), 'it is still listed')


def names(daemon):
    return [s['name'] for s in daemon.call('ListSnapshots')['snapshots']]


def expect_no_tear(run, core, threads):
    """Every page holds its greatest ticket, but one for each thread."""
    counter, base, npages = run.run.stdout().split('\n')[0].split()
    base, npages = int(base, 16), int(npages)
    following = core.word(int(counter, 16))
    check(following > npages, 'the counter reads %d' % following)
    late = 0
    data = core.read(base, npages * PAGE)
    for i in range(npages):
        ticket = struct.unpack_from('<Q', data, i * PAGE)[0]
        want = following - 1 - (following - 1 - i) % npages
        check(ticket < following and ticket % npages == i,
              'TORN: page %d holds %d, the next ticket is %d' % (
                  i, ticket, following))
        late += ticket != want
    check(late <= threads, 'TORN: %d tickets are not written' % late)
    print('ticket %d, %d not written' % (following, late))
    return following


def tickets(live, mib, threads, snapshots):
    daemon = live.daemon()
    seen = []

    def look(name, pid):
        del name
        for i in range(snapshots):
            print(ctl(daemon, 'snapshot', str(pid), 's%d' % i))
        for i in range(snapshots):
            daemon.check_model()
            path = core_of(live, daemon, 's%d' % i)
            core = Core(path)
            seen.append(expect_no_tear(run, core, threads))
            core.close()
            text = backtrace(live.prog('tickets'), path)
            check(text.count('ticket_thread (') == threads and
                  text.count('main (') == 1, 'backtrace: %s' % text[-3000:])
            os.unlink(path)
            drop(daemon, 's%d' % i)

    run = Steady(live, daemon, 'tickets', limit=mib * MIB // 4, hold=look,
                 argv=[live.prog('tickets'), str(mib), str(threads)])
    run.run.wait(300)
    check(seen == sorted(seen) and len(seen) == snapshots,
          'the snapshots are of %s' % seen)
    check('every ticket is there' in run.run.stdout(), run.run.stdout())
    daemon.expect_idle()


@add('snapshot-tickets')
def snapshot_tickets(live):
    tickets(live, 32, 4, 3)


@add('snapshot-survives')
def snapshot_survives(live):
    """The program ends, its snapshot does not."""
    daemon = live.daemon()
    run = Steady(live, daemon, 'tickets', hold=lambda name, pid: ctl(
        daemon, 'snapshot', str(pid), 'survivor'),
                 argv=[live.prog('tickets'), '32', '2'])
    run.await_ready()
    wait_for('the program to end', lambda: 'every ticket is there' in
             run.run.stdout() and not os.path.exists('/proc/%d' % run.pid))
    daemon.check_model()
    core = Core(core_of(live, daemon, 'survivor'))
    expect_no_tear(run, core, 2)
    core.close()
    drop(daemon, 'survivor')
    run.run.wait(60)
    daemon.expect_idle()


def on_device(live, daemon, name):
    """=> what a block device has after an export to it"""
    image = os.path.join(live.scratch, 'device')
    with open(image, 'wb') as f:
        for _ in range(256):
            f.write(b'\x5a' * MIB)
    device = subprocess.run(
        ['losetup', '--find', '--show', image], capture_output=True,
        check=True).stdout.decode().strip()
    try:
        print(ctl(daemon, 'export', name, device))
        with open(device, 'rb') as f:
            return f.read()
    finally:
        subprocess.run(['losetup', '--detach', device], check=True)


def on_server(live, daemon, name, mib=256, *options, status=0):
    """=> what an NBD server's file has after an export to it, and the words"""
    path = os.path.join(live.scratch, 'served')
    sock = os.path.join(live.scratch, 'nbd')
    with open(path, 'wb') as f:
        for _ in range(mib):
            f.write(b'\x5a' * MIB)
    server = live.helper(['nbdkit', '-f', '-U', sock, *options, 'file', path])
    wait_for('the NBD server', lambda: os.path.exists(sock), 30)
    text = ctl(daemon, 'export', name, 'nbd+unix:///?socket=' + sock,
               status=status)
    server.terminate()
    server.wait(30)
    if os.path.exists(sock):
        os.unlink(sock)
    with open(path, 'rb') as f:
        return f.read(), text


def expect_no_server(live, daemon, name):
    """Each of these is said in a line."""
    for mib, options, why in ((1, (), 'too small'), (256, ('-r',), 'read-only')):
        text = on_server(live, daemon, name, mib, *options, status=125)[1]
        check(why in text.splitlines()[-1], text)
    text = ctl(daemon, 'export', name, 'nbd+unix:///?socket=/nowhere',
               status=125)
    check('/nowhere' in text and '\n' not in text, text)


def piped(daemon, name):
    done = subprocess.run(
        [daemon.live.path('src/ctl/pagerctl'), '--socket', daemon.control,
         'export', name, '-'], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=300, check=False)
    check(done.returncode == 0 and done.stderr == b'', done.stderr.decode())
    return done.stdout


def expect_same(what, one, other):
    """What a program shares with others is as it is when it is read."""
    check(len(one) == len(other), '%s: %d bytes, not %d' % (
        what, len(other), len(one)))
    differ = sum(one[i:i + 4096] != other[i:i + 4096]
                 for i in range(0, len(one), 4096))
    check(differ <= 4, 'WRONG DATA: %d pages of %s' % (differ, what))


def expect_same_core(live, daemon, pid):
    ctl(daemon, 'snapshot', pid, 'one')
    with open(core_of(live, daemon, 'one'), 'rb') as f:
        data = f.read()
    expect_same('the pipe', data, piped(daemon, 'one'))
    there = on_device(live, daemon, 'one')
    expect_same('the device', data, there[:len(data)])
    served, text = on_server(live, daemon, 'one')
    print(text)
    expect_same('the server', data, served[:len(data)])
    expect_no_server(live, daemon, 'one')
    for what in (there, served):
        check(what[len(data):].strip(b'\x5a') == b'',
              'something was written behind the core')
    drop(daemon, 'one')


@add('snapshot-export')
def snapshot_export(live):
    """A file, a pipe and a block device get the same bytes."""
    daemon = live.daemon()
    run = Steady(live, daemon, 'steady',
                 hold=lambda name, pid: expect_same_core(live, daemon,
                                                         str(pid)))
    wait_for('the exports', run.looked.is_set, 120)
    run.await_rounds()
    run.finish()
    daemon.expect_idle()


@add('snapshot-refused')
def snapshot_refused(live):
    """Names, rights, and a holder that is killed."""
    daemon = live.daemon()
    run = Steady(live, daemon, 'steady', hold=lambda name, pid: expect_refusals(
        live, daemon, str(pid)))
    wait_for('everything to be refused', run.looked.is_set, 120)
    run.await_rounds()
    run.finish()
    daemon.expect_idle()


def expect_refusals(live, daemon, pid):
    """Each of these is an error that says so, and changes nothing."""
    def refuse(*words, **options):
        text = ctl(daemon, *words, status=125, **options)
        check(text.startswith('pagerctl: ') and '\n' not in text, text)
        return text
    ctl(daemon, 'snapshot', pid, 'one')
    check('already' in refuse('snapshot', pid, 'one'), 'taken twice')
    refuse('snapshot', pid, 'no/name')
    refuse('snapshot', '1', 'two')
    refuse('snapshot', pid, 'two', user=True)
    refuse('drop', 'two')
    refuse('drop', 'one', user=True)
    refuse('export', 'two', 'file')
    refuse('export', 'one', os.path.join(live.dir, 'no', 'file'))
    refuse('export', 'one', '/tmp/none', user=True)
    check(not os.path.exists('/tmp/none'), 'a file was left')
    check('no snapshots' in ctl(daemon, 'snapshots', user=True),
          "another user's snapshot is listed")
    for number in range(15):
        ctl(daemon, 'snapshot', pid, 'more-%d' % number)
    check('drop some' in refuse('snapshot', pid, 'too-many'), 'not refused')
    for number in range(15):
        drop(daemon, 'more-%d' % number)
    daemon.check_model()
    os.kill(holder_of(daemon, 'one'), signal.SIGKILL)
    wait_for('the snapshot to be lost', lambda: 'no snapshots' in ctl(
        daemon, 'snapshots'))
    check('is lost' in read_text(daemon.log), 'nobody was told')


def holder_of(daemon, name):
    return next(s['holder'] for s in daemon.call('ListSnapshots')['snapshots']
                if s['name'] == name)


def evicted_of(daemon, pid):
    return daemon.call('GetSpace', pid=pid)['space']['evicted_pages']


@add('snapshot-evicted')
def snapshot_evicted(live):
    """What a snapshot keeps is evicted as what a program has."""
    daemon = live.daemon()

    def look(name, pid):
        del name
        ctl(daemon, 'snapshot', str(pid), 'one')
        wait_for('pages of the holder to be evicted', lambda: evicted_of(
            daemon, holder_of(daemon, 'one')) > 0, 60)
        drop(daemon, 'one')

    run = Steady(live, daemon, 'tickets', limit=8 * MIB, hold=look,
                 argv=[live.prog('tickets'), '32', '2'])
    run.run.wait(300)
    check('every ticket is there' in run.run.stdout(), run.run.stdout())
    daemon.expect_idle()


@add('snapshot-stop')
def snapshot_stop(live):
    """A daemon that stops takes its snapshots along, and no program."""
    daemon = live.daemon()
    run = Steady(live, daemon, 'steady', hold=lambda name, pid: ctl(
        daemon, 'snapshot', str(pid), 'kept'))
    wait_for('the snapshot', run.looked.is_set, 60)
    holder = holder_of(daemon, 'kept')
    daemon.stop()
    wait_for('the holder to end', lambda: not os.path.exists(
        '/proc/%d/maps' % holder) or not read_text('/proc/%d/maps' % holder))
    run.await_rounds()
    run.finish()


@add('snapshot-stopped')
def snapshot_stopped(live):
    """Of a program that job control has stopped: refused, and it goes on."""
    daemon = live.daemon()

    def look(name, pid):
        del name
        os.kill(pid, signal.SIGSTOP)
        text = ctl(daemon, 'snapshot', str(pid), 'none', status=125)
        check('it is stopped' in text, text)
        os.kill(pid, signal.SIGCONT)
        ctl(daemon, 'snapshot', str(pid), 'one')
        drop(daemon, 'one')

    run = Steady(live, daemon, 'steady', hold=look)
    wait_for('the snapshots', run.looked.is_set, 60)
    run.await_rounds()
    run.finish()
    daemon.expect_idle()


@add('snapshot-redis', 'long', 900)
def snapshot_redis(live):
    """Under load; the core has the keys, and a stack that gdb can read."""
    daemon = live.daemon()
    server = Redis(live, 'managed', limit=32 * MIB, daemon=daemon)
    client = server.start()
    count = 128 * MIB // redis.VALUE_BYTES
    fill(client, live, count)
    pid = next(s['pid'] for s in daemon.call('ListSpaces')['spaces']
               if s['command'] == 'redis-server')
    changed = set(live.random.sample(range(count), count // 10))
    load = live.helper(['redis-benchmark', '-s', server.socket, '-t', 'set',
                        '-n', '100000', '-r', '5000', '-d', '512', '-q'],
                       stdout=subprocess.DEVNULL)
    print(ctl(daemon, 'snapshot', str(pid), 'redis'))
    holder = holder_of(daemon, 'redis')
    check(redis.store(client, live.seed, changed, 1) == len(changed),
          'not everything was stored')
    check(load.wait(300) == 0, 'redis-benchmark failed')
    expect_keys(client, live, range(count),
                lambda n: int(n in changed), 'after the snapshot')
    check(evicted_of(daemon, holder) > 0, 'the holder keeps all in memory')
    path = core_of(live, daemon, 'redis')
    expect_values(live, path, count)
    text = backtrace('/usr/bin/redis-server', path)
    check(text.count('Thread ') >= 4 and 'in main ()' in text,
          'backtrace: %s' % text[-3000:])
    drop(daemon, 'redis')
    server.stop(client)
    daemon.expect_idle()


def expect_values(live, path, count):
    """The core holds the values as they were."""
    with open(path, 'rb') as f:
        data = f.read()
    for number in live.random.sample(range(count), 200):
        value = redis.value(live.seed, number, 0)
        check(data.find(value) >= 0,
              'WRONG DATA: key %d is not in the core' % number)


@add('snapshot-python', 'long')
def snapshot_python(live):
    """A program of many threads, a user's own, with the system's daemon."""
    script = ('import threading, time, os, socket\n'
              'things = [os.urandom(700) for _ in range(60000)]\n'
              'def work():\n'
              '    while True: sum(map(len, things[::97]))\n'
              'for _ in range(4):\n'
              '    threading.Thread(target=work, daemon=True).start()\n'
              's = socket.socket(socket.AF_UNIX)\n'
              's.connect(os.environ["LIVE_HOLD"])\n'
              's.send(b"running %d\\n" % os.getpid()); s.recv(1)\n'
              'print(sum(map(len, things)))\n')
    daemon = live.daemon()
    found = []

    def look(name, pid):
        del name
        print(ctl(daemon, 'snapshot', str(pid), 'py', user=True))
        ctl(daemon, 'export', 'py', 'py.core', user=True)
        text = backtrace(PYTHON, os.path.join(live.scratch, 'py.core'))
        found.append(text.count('\nThread '))
        ctl(daemon, 'drop', 'py', user=True)

    run = Steady(live, daemon, 'python', hold=look,
                 argv=[PYTHON, '-c', script], user=True)
    run.run.wait(300)
    check(found == [5], 'gdb saw %s threads' % found)
    check(run.run.stdout() == '%d\n' % (60000 * 700), run.run.stdout())
    daemon.expect_idle()
