"""cases_arena.py: memory that programs ask for by libpagerd."""

import os
import signal
import sys
import threading
import time

from cases_snapshot import ctl, names
from harness import (MIB, Failure, Run, check, descendants_of, end_tree,
                     wait_for)

CASES = {}


def once(live, daemon, argv, limit, timeout, user):
    """=> the peak in bytes, what several processes share counted once"""
    run = Run(live, argv, limit=limit, daemon=daemon, user=user)
    run.wait(timeout)
    peak = run.memory['peak_shared']
    print('managed: %s; %.1f MiB with what is shared' % (
        run.line(), peak / MIB))
    check(run.stdout() == '%s: fine\n' % argv[1],
          'it says: %s' % run.stdout())
    daemon.expect_idle()
    return peak


def add(name, *args, limit, suite='live', timeout=300, user=False,
        prog='arena'):
    """A case of the program, under a budget in MiB.

    One process is sampled after the other, and a page that moves meanwhile
    counts twice: three tries.
    """
    def case(live):
        daemon = live.daemon()
        allowed = limit * MIB * 1.05 + 4 * MIB
        peaks = []
        while len(peaks) < 3 and (not peaks or peaks[-1] > allowed):
            peaks.append(once(live, daemon, [live.prog(prog), *args],
                              limit * MIB, timeout, user))
        check(peaks[-1] <= allowed, 'over the budget: %s' % peaks)
    CASES[name] = (suite, timeout, case)


add('arena-anon', 'anon', '64', limit=16)
add('arena-anon-user', 'anon', '64', limit=16, user=True)
add('arena-shared', 'shared', '64', limit=16)
add('arena-shared-user', 'shared', '32', limit=8, user=True)
add('arena-clones', 'clones', '64', '8', limit=2048)
add('arena-clones-tight', 'clones', '32', '4', limit=96)
add('arena-clones-large', 'clones', '256', '8', limit=4096, suite='long',
    timeout=900)


def written(mib, count, limit):
    """What clones have written leaves, within the budget."""
    def case(live):
        daemon = live.daemon()
        run = Run(live, [live.prog('arena'), 'written', str(mib), str(count)],
                  limit=limit * MIB, daemon=daemon)
        run.wait(600)
        drops = daemon.call('GetStats')['counters']['drops']
        print('managed: %s, %d drops' % (run.line(), drops))
        check(run.stdout() == 'written: fine\n', 'it says: %s' %
              run.stdout())
        check(drops > 0, 'nothing was dropped')
        check(run.summary()['evicted_pages'] >= count * mib * MIB // 8192,
              'what was written has not gone')
        run.expect_budget()
        daemon.expect_idle()
    return case


CASES['arena-clones-written'] = ('live', 600, written(64, 8, 48))


def die(live):
    """The daemon is killed while agents drop pages: nobody waits for ever."""
    def drops():
        return daemon.call('GetStats')['counters']['drops']

    for number in range(6):
        daemon = live.daemon('daemon%d' % number)
        run = Run(live, [live.prog('arena'), 'written', '32', '3'],
                  limit=16 * MIB, daemon=daemon)
        wait_for('pages to be dropped', lambda: drops() > 0, 60)
        time.sleep(live.random.uniform(0.0, 0.3))  # at any moment
        orphans = descendants_of(run.proc.pid)
        daemon.kill()
        live.daemons.remove(daemon)
        wait_for('all programs to end', lambda: not any(
            os.path.exists('/proc/%d/fd/0' % pid) for pid in orphans), 30)
        run.wait(60, status=None)
        check(run.proc.returncode != 0, 'it goes on without a daemon')


CASES['arena-die'] = ('live', 300, die)


def at_end(live, daemon, act, limit=16):
    """Runs "alone", and acts when all its kinds of memory are in use."""
    acted = threading.Event()

    def hold(name, pid):
        if name == 'parent':
            check(daemon.pages_out() > 0, 'no page is out')
            daemon.check_model()
            act(pid)
            acted.set()
        check(acted.wait(60), 'the other one is not here')

    return Run(live, [live.prog('arena'), 'alone', '16'], limit=limit * MIB,
               daemon=daemon, hold=hold)


def alone(live):
    """A clean stop: everything comes home, shared memory and clones too."""
    daemon = live.daemon()
    run = at_end(live, daemon, lambda pid: daemon.stop())
    run.wait(120)
    check(run.stdout() == 'alone: fine\n', 'it says: %s' % run.stdout())
    check(daemon.proc.returncode == 0, 'the daemon did not stop')


def dropped(live):
    """The snapshot is dropped while its clone is in use."""
    daemon = live.daemon()

    def drop(pid):
        ctl(daemon, 'drop', 'live-%d' % pid)
        check(names(daemon) == [], 'it is still listed')

    run = at_end(live, daemon, drop)
    run.wait(120)
    check(run.stdout() == 'alone: fine\n', 'it says: %s' % run.stdout())
    daemon.expect_idle()


def holder_killed(live):
    """What only the holder had is lost: SIGBUS, and nothing else."""
    daemon = live.daemon()

    def kill(pid):
        holder = daemon.call('ListSnapshots')['snapshots'][0]['holder']
        os.kill(holder, signal.SIGKILL)
        check(pid != holder, 'a holder runs nothing')

    run = at_end(live, daemon, kill)
    run.wait(120, status=None)
    check(run.proc.returncode in (0, 128 + signal.SIGBUS),
          'exit status %d: %s' % (run.proc.returncode, run.stderr()))
    daemon.expect_idle()


def drop_all(daemon):
    """Those whose holder was killed, too, are going by themselves."""
    for name in names(daemon):
        try:
            ctl(daemon, 'drop', name)
        except Failure:
            wait_for('%s to be gone' % name,
                     lambda gone=name: gone not in names(daemon))


def end_now(run):
    """Its processes are killed; they become ours, and are buried."""
    orphans = descendants_of(run.proc.pid)
    end_tree(run.proc.pid)
    run.proc.wait()
    for pid in orphans:
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
    run.end()


def killed(live):
    """Programs are killed at any moment of it: nothing is left of them."""
    daemon = live.daemon()
    witness = Run(live, [live.prog('arena'), 'anon', '64'], limit=16 * MIB,
                  daemon=daemon)
    for i in range(24):
        words = ('clones', '8', '3') if i % 2 else ('anon', '24')
        run = Run(live, [live.prog('arena'), *words], limit=8 * MIB,
                  daemon=daemon)
        time.sleep(live.random.uniform(0.0, 0.7))  # at any moment
        end_now(run)
        drop_all(daemon)
        daemon.check_model()
    witness.wait(120)
    check(witness.stdout() == 'anon: fine\n', 'it says: %s' %
          witness.stdout())
    daemon.expect_idle()


def fuzz(mib, steps):
    """A random program; TEST_SEED names it."""
    def case(live):
        daemon = live.daemon()
        run = Run(live, [live.prog('arenafuzz'), str(mib), str(steps)],
                  limit=20 * MIB, daemon=daemon)
        run.wait(600)
        print('managed: %s, %s' % (run.line(), run.stderr().strip()))
        check('every byte right' in run.stdout(), run.stderr())
        check(run.summary()['evicted_pages'] > 0, 'no page was evicted')
        daemon.expect_idle()
    return case


CASES['arena-fuzz'] = ('live', 300, fuzz(16, 2000))
CASES['arena-fuzz-long'] = ('long', 900, fuzz(16, 15000))


def unlinked(live):
    """What is named stays when its programs are killed, until unlinked."""
    daemon = live.daemon()

    def kill(pid):
        name = 'live-%d' % pid
        check(daemon.call('ListShared')['shared'][0]['name'] == name,
              'it is not listed')
        ctl(daemon, 'drop', name)
        os.kill(pid, signal.SIGKILL)

    run = at_end(live, daemon, kill)
    run.wait(120, status=None)
    wait_for('the program to be gone',
             lambda: daemon.call('ListSpaces')['spaces'] == [])
    shared = daemon.call('ListShared')['shared']
    check([x['maps'] for x in shared] == [0], 'it is: %s' % shared)
    check(shared[0]['size'] == 16 * MIB and shared[0]['out'] > 0,
          'it is: %s' % shared)
    daemon.check_model()
    ctl(daemon, 'unlink', shared[0]['name'], status=125, user=True)
    ctl(daemon, 'unlink', shared[0]['name'])
    check(ctl(daemon, 'shared') == 'no shared memory', 'it is listed')
    daemon.expect_idle()


def daemon_killed(live):
    """Better no program than one that reads zeros."""
    daemon = live.daemon()

    def kill(_name, _pid):
        check(daemon.pages_out() == 0, 'a page was moved out')
        daemon.leaving = True
        daemon.proc.kill()
        daemon.proc.wait()

    run = Run(live, [live.prog('arena'), 'depend', '16'], limit=2048 * MIB,
              daemon=daemon, hold=kill)
    run.wait(60, status=None)
    check(run.proc.returncode == 128 + signal.SIGKILL,
          'exit status %d: %s' % (run.proc.returncode, run.stderr()))
    check('lost the daemon' in run.stderr(), run.stderr())


CASES['arena-daemon-killed'] = ('live', 60, daemon_killed)
CASES['arena-killed'] = ('live', 300, killed)
CASES['arena-stop'] = ('live', 300, alone)
CASES['arena-unlink'] = ('live', 300, unlinked)
CASES['arena-drop'] = ('live', 300, dropped)
CASES['arena-holder-killed'] = ('live', 300, holder_killed)


def image(mib, count, limit):
    """An exported snapshot is memory of programs that come later."""
    def case(live):
        daemon = live.daemon()
        core = os.path.join(live.dir, 'core')

        def export(name, pid):
            ctl(daemon, 'export', name, core)
            ctl(daemon, 'drop', name)
            check(pid > 0, 'it is gone')

        first = Run(live, [live.prog('images'), 'build', str(mib), 'built'],
                    limit=2 * mib * MIB, daemon=daemon, hold=export)
        first.wait(120)
        daemon.expect_idle()
        run = Run(live, [live.prog('images'), 'restore', str(mib), core,
                         str(count)], limit=limit * MIB, daemon=daemon)
        run.wait(300)
        print('managed: %s' % run.line())
        check(run.stdout() == 'restore: fine\n', 'it says: %s' %
              run.stdout())
        daemon.expect_idle()
        example = os.path.join(os.path.abspath(live.build), 'examples',
                               'restore')
        words = Run(live, [example, core], limit=16 * MIB,
                    daemon=daemon).wait(60).stdout().split()
        check(words[1:3] == [str(mib * MIB), 'image'] and len(words) == 4,
              'the example says: %s' % words)
        daemon.expect_idle()
    return case


def serve(live, mib):
    """=> an NBD server of an empty file, its URI"""
    path = os.path.join(live.dir, 'served')
    sock = os.path.join(live.dir, 'nbd')
    with open(path, 'wb') as f:
        f.truncate(mib * MIB)
    server = live.helper(['nbdkit', '-f', '-U', sock, 'file', path])
    wait_for('the NBD server', lambda: os.path.exists(sock), 30)
    return server, 'nbd+unix:///?socket=' + sock


def image_nbd(live):
    """Programs map a snapshot that an NBD server has, as nbdfuse shows it."""
    daemon = live.daemon()
    server, uri = serve(live, 64)
    core = os.path.join(live.dir, 'core')

    def export(name, pid):
        ctl(daemon, 'export', name, uri)
        ctl(daemon, 'drop', name)
        check(pid > 0, 'it is gone')

    Run(live, [live.prog('images'), 'build', '32', 'built'], limit=64 * MIB,
        daemon=daemon, hold=export).wait(120)
    with open(core, 'wb'):
        pass
    fuse = live.helper(['nbdfuse', '-r', core, uri])
    wait_for('the file', lambda: os.path.getsize(core) > 0, 30)
    run = Run(live, [live.prog('images'), 'restore', '32', core, '3'],
              limit=12 * MIB, daemon=daemon).wait(300)
    print('managed: %s' % run.line())
    check(run.stdout() == 'restore: fine\n', 'it says: %s' % run.stdout())
    daemon.expect_idle()
    fuse.terminate()
    fuse.wait(30)
    check(os.path.getsize(core) == 0, 'it is mounted yet')
    server.terminate()


def image_snapshot(live):
    """A snapshot has images as they were; clones, and a core, have them."""
    daemon = live.daemon()
    core = os.path.join(live.dir, 'core')
    run = Run(live, [live.prog('images'), 'snapshot', '16'], limit=64 * MIB,
              daemon=daemon,
              hold=lambda name, pid: ctl(daemon, 'export', name, core))
    run.wait(120)
    print('managed: %s' % run.line())
    check(run.stdout() == 'snapshot: fine\n', 'it says: %s' % run.stdout())
    daemon.expect_idle()
    run = Run(live, [live.prog('images'), 'restored', '16', core],
              limit=64 * MIB, daemon=daemon)
    run.wait(120)
    check(run.stdout() == 'restored: fine\n', 'it says: %s' % run.stdout())
    daemon.expect_idle()


def image_stop(live):
    """A clean stop: what was not read yet is read from the file."""
    daemon = live.daemon()
    run = Run(live, [live.prog('images'), 'stop', '32'], limit=12 * MIB,
              daemon=daemon, hold=lambda name, pid: daemon.stop())
    run.wait(120)
    check(run.stdout() == 'stop: fine\n', 'it says: %s' % run.stdout())
    check(daemon.proc.returncode == 0, 'the daemon did not stop')


def image_hung(live):
    """A file system that does not answer delays who waits for it alone."""
    if not os.path.exists('/dev/fuse'):
        print('no /dev/fuse')
        sys.exit(77)
    daemon = live.daemon()

    def stop(*_):
        start = time.monotonic()
        daemon.leaving = True
        daemon.proc.send_signal(signal.SIGTERM)
        daemon.expect_end(0)
        print('stopped after %.1f s' % (time.monotonic() - start))

    run = Run(live, [live.prog('images'), 'hung', '8'], limit=12 * MIB,
              daemon=daemon, hold=stop)
    run.wait(120)
    check(run.stdout() == 'hung: fine\n', 'it says: %s' % run.stdout())


add('arena-image-file', 'file', '48', limit=24, prog='images')
add('arena-image-file-user', 'file', '24', limit=12, prog='images', user=True)
add('arena-image-truncated', 'truncated', '16', limit=8, prog='images')
CASES['arena-image-nbd'] = ('live', 300, image_nbd)
CASES['arena-image-snapshot'] = ('live', 300, image_snapshot)
CASES['arena-image'] = ('live', 300, image(64, 4, 2048))
CASES['arena-image-tight'] = ('live', 300, image(32, 4, 80))
CASES['arena-image-hung'] = ('live', 300, image_hung)
CASES['arena-image-stop'] = ('live', 300, image_stop)
