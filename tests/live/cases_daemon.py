"""cases_daemon.py: daemons that stop or die, clients that are killed, stopped
or hostile, and what must not change for a program.
"""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

from harness import MIB, Run, check, read_text, wait_for

CASES = {}
LIMIT = 16 * MIB
WANTS = '64'  # MiB


def add(name, suite='live', timeout=300):
    """Registers the function as a case."""
    def register(function):
        CASES[name] = (suite, timeout, function)
        return function
    return register


class Steady:
    """A managed program that works beyond its budget until it is told."""

    def __init__(self, live, daemon, name, limit=LIMIT, wants=WANTS,
                 hold=None, argv=None, **options):
        self.progress = os.path.join(live.scratch, name)
        self.pid = None
        self.ready = threading.Event()
        self.looked = threading.Event()  # hold has returned, or failed
        self.hold = hold
        self.run = Run(live, argv or [live.prog('steady'), wants, '600',
                                      self.progress],
                       limit=limit, daemon=daemon, hold=self.at_hold,
                       **options)

    def at_hold(self, name, pid):
        self.pid = pid
        self.ready.set()
        try:
            if self.hold is not None:
                self.hold(name, pid)
        finally:
            self.looked.set()

    def rounds(self):
        return len(read_text(self.progress))

    def alive(self):
        return self.run.proc.poll() is None

    def await_ready(self):
        wait_for('the program to be full',
                 lambda: self.ready.is_set() or not self.alive(), 120)
        check(self.alive(), 'the program ended: %s' % self.run.stderr())
        return self

    def await_rounds(self, more=2, seconds=60):
        goal = self.rounds() + more
        wait_for('rounds of work', lambda: self.rounds() >= goal or
                 not self.alive(), seconds)
        check(self.alive(), 'the program ended: %s' % self.run.stderr())

    def finish(self, daemon=None):
        """It ends by itself, and every byte was right."""
        os.kill(self.pid, signal.SIGTERM)
        self.expect_right()
        if daemon is not None:
            self.run.expect_budget()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def expect_killed(self):
        self.run.wait(60, status=128 + signal.SIGKILL)

    def expect_right(self):
        self.run.wait(120)
        print('managed: %s' % self.run.line(), flush=True)
        check('every byte right' in self.run.stdout(), 'it said: %s %s' % (
            self.run.stdout(), self.run.stderr()))

    def expect_dead(self, seconds=60):
        """It ended, said why, and never read anything wrong."""
        self.run.wait(seconds, status=None)
        status = self.run.proc.returncode
        text = self.run.stderr() + self.run.stdout()
        check(status not in (0, 3), 'exit status %d: %s' % (status, text))
        check('WRONG' not in text, text)
        check('every byte right' not in text, text)
        check('pagerd' in self.run.stderr(),
              'no clear message: "%s"' % self.run.stderr())
        print('it said: %s' % self.run.stderr().strip())


@contextlib.contextmanager
def at_work(live):
    """A daemon and a program under it, which ends well after the block."""
    daemon = live.daemon()
    program = Steady(live, daemon, 'client').await_ready()
    yield daemon, program
    program.finish(daemon)
    daemon.expect_idle()


@add('stop-held')
def stop_held(live):
    """A clean stop while a program waits with pages out."""
    daemon = live.daemon()

    def stop(name, pid):
        del name, pid
        check(daemon.pages_out() > 0, 'no page is out')
        daemon.check_model()
        daemon.stop()

    program = Steady(live, daemon, 'a', hold=stop).await_ready()
    program.await_rounds()
    program.finish()
    check(daemon.proc.returncode == 0, 'the daemon did not stop')


@add('stop-running')
def stop_running(live):
    """A clean stop while programs work beyond their budget, and fork."""
    daemon = live.daemon()
    programs = [
        Steady(live, daemon, 'a'), Steady(live, daemon, 'b'),
        Steady(live, daemon, 'c', argv=[
            live.prog('storm'), 'mutex', WANTS, '4', '4000000']),
    ]
    for program in programs[:2]:
        program.await_ready().await_rounds()
    wait_for('pages to be out', lambda: all(
        group['out'] > 0 for group in daemon.groups()))
    daemon.stop()
    for program in programs[:2]:
        program.await_rounds()
        program.finish()
    programs[2].run.wait(300)
    check(programs[2].run.stdout() == 'sum 4000000\n',
          'WRONG DATA: %s' % programs[2].run.stdout())


@add('stop-fork')
def stop_fork(live):
    """A clean stop while parent and child share pages that are out."""
    daemon = live.daemon()

    def stop(name, pid):
        del name, pid
        daemon.stop()

    run = Run(live, [live.prog('forks'), 'read-only', WANTS], limit=LIMIT,
              daemon=daemon, hold=stop)
    run.wait(120)
    check('every byte right' in run.stdout(), run.stderr())
    check(daemon.proc.returncode == 0, 'the daemon did not stop')


@add('die-running')
def die_running(live):
    """The daemon is killed while programs work beyond their budget."""
    daemon = live.daemon()
    programs = [Steady(live, daemon, name) for name in 'abc']
    for program in programs:
        program.await_ready().await_rounds()
    check(daemon.pages_out() > 0, 'no page is out')
    daemon.kill()
    live.daemons.remove(daemon)
    for program in programs:
        program.expect_dead()


@add('die-held')
def die_held(live):
    """The daemon is killed while a program waits with pages out."""
    daemon = live.daemon()

    def kill(name, pid):
        del name, pid
        check(daemon.pages_out() > 0, 'no page is out')
        daemon.kill()

    program = Steady(live, daemon, 'a', hold=kill)
    program.expect_dead()
    live.daemons.remove(daemon)


@add('die-threads')
def die_threads(live):
    """The daemon is killed while many threads wait for it."""
    daemon = live.daemon()
    program = Steady(live, daemon, 'a', argv=[
        live.prog('storm'), 'mutex', WANTS, '16', '400000000'])
    wait_for('pages to be out', lambda: daemon.pages_out() > 0, 60)
    time.sleep(live.random.random())  # it may happen at any moment
    daemon.kill()
    live.daemons.remove(daemon)
    program.expect_dead()


@add('die-in-budget')
def die_in_budget(live):
    """A daemon that holds nothing of a program is not missed."""
    daemon = live.daemon()
    program = Steady(live, daemon, 'a', limit=64 * MIB, wants='8')
    program.await_ready()
    program.await_rounds()
    check(daemon.pages_out() == 0, 'pages are out')
    daemon.kill()
    live.daemons.remove(daemon)
    program.await_rounds()
    program.finish()


@add('client-killed')
def client_killed(live):
    """Programs are killed under load; another one goes on."""
    with at_work(live) as (daemon, other):
        for number in range(4):
            victim = Steady(live, daemon, 'victim%d' % number).await_ready()
            victim.await_rounds(1)
            # at any moment of a round
            time.sleep(live.random.random() * 0.3)
            victim.kill()
            victim.expect_killed()
            wait_for('the killed program to be forgotten',
                     lambda: len(daemon.groups()) == 1)
            other.await_rounds(1)


@add('client-stopped')
def client_stopped(live):
    """A stopped program keeps nobody else from working."""
    daemon = live.daemon()
    stopped = Steady(live, daemon, 'stopped').await_ready()
    other = Steady(live, daemon, 'other').await_ready()
    stopped.await_rounds(1)
    for _ in range(3):
        os.kill(stopped.pid, signal.SIGSTOP)
        before = stopped.rounds()
        other.await_rounds(3)
        check(stopped.rounds() == before, 'it was not stopped')
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.await_rounds(1)
    other.finish(daemon)
    stopped.finish(daemon)
    daemon.expect_idle()


@add('member-stopped')
def member_stopped(live):
    """One of two programs of a group is stopped; the other one works."""
    daemon = live.daemon()
    pids = {}
    ready = threading.Event()

    def hold(name, pid):
        del name
        pids[pid] = None
        if len(pids) == 2:
            ready.set()

    script = '"$0" 64 600 a & "$0" 64 600 b & wait %1 && wait %2'
    run = Run(live, ['/bin/sh', '-c', script, live.prog('steady')],
              limit=2 * LIMIT, daemon=daemon, hold=hold)
    check(ready.wait(60), 'the programs never got there')
    files = [os.path.join(live.scratch, name) for name in 'ab']
    goal = [len(read_text(path)) + 1 for path in files]
    wait_for('both to work', lambda: all(
        len(read_text(path)) >= n for path, n in zip(files, goal)), 60)
    first = min(pids)
    os.kill(first, signal.SIGSTOP)
    before = [len(read_text(path)) for path in files]
    wait_for('the other one to work', lambda: any(
        len(read_text(path)) >= n + 3 for path, n in zip(files, before)), 60)
    os.kill(first, signal.SIGCONT)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    run.wait(120)
    check(run.stdout().count('every byte right') == 2, run.stderr())
    run.expect_budget()
    daemon.expect_idle()


@add('relimit')
def relimit(live):
    """The limit of a group is lowered and raised while it works."""
    daemon = live.daemon()
    program = Steady(live, daemon, 'a', limit=128 * MIB).await_ready()
    program.await_rounds()
    check(daemon.pages_out() == 0, 'pages are out within the budget')
    group = daemon.groups()[0]['name']
    pagerctl = [live.path('src/ctl/pagerctl'), '--socket', daemon.control,
                'limit', group]
    subprocess.run(pagerctl + ['16M'], env=live.env, timeout=60, check=True)
    allowed = LIMIT * 1.05 + 4 * MIB
    wait_for('the program to shrink', lambda: pss_anon(
        program.pid) <= allowed, 20)
    program.await_rounds(1)
    daemon.check_model()
    for _ in range(20):
        check(pss_anon(program.pid) <= allowed, 'it grew beyond its limit')
        time.sleep(0.02)  # looked at now and then while it works
    subprocess.run(pagerctl + ['256M'], env=live.env, timeout=60, check=True)
    program.await_rounds(3)
    check(pss_anon(program.pid) > 2 * LIMIT, 'it did not grow again')
    program.finish()
    check(program.run.summary()['evicted_pages'] > 0, 'nothing was evicted')
    daemon.expect_idle()


def switches(pid):
    """How often the threads of a process went to sleep."""
    count = 0
    for tid in os.listdir('/proc/%d/task' % pid):
        for line in read_text('/proc/%d/task/%s/status' % (
                pid, tid)).splitlines():
            if line.startswith('voluntary_ctxt_switches:'):
                count += int(line.split()[1])
    return count


@add('idle')
def idle(live):
    """Programs that do nothing wake nobody, far from their limits or near."""
    daemon = live.daemon()
    script = 'kept = bytearray(%d << 20); input()'
    helpers = [live.helper(
        [live.path('src/ctl/pagerctl'), '--socket', daemon.control, 'run',
         '--limit', '%dM' % limit, '--', '/usr/bin/python3', '-c',
         script % mib], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for limit, mib in ((512, 32), (128, 16), (64, 56), (64, 62))]
    wait_for('the programs to be full', lambda: sum(
        group['usage'] for group in daemon.groups()) > 150 * MIB)
    time.sleep(3)  # until they count as quiet
    before = switches(daemon.pid)
    time.sleep(2)
    per_second = (switches(daemon.pid) - before) / 2
    print('%.1f wake-ups a second' % per_second)
    check(per_second < 80, 'the daemon does not sleep')
    for helper in helpers:
        helper.stdin.close()
        helper.wait(30)
    daemon.expect_idle()


def pss_anon(pid):
    for line in read_text('/proc/%d/smaps_rollup' % pid).splitlines():
        if line.startswith('Pss_Anon:'):
            return int(line.split()[1]) * 1024
    return 0


@add('private')
def private(live):
    """A private daemon comes and goes with its program."""
    runtime = os.path.join(live.scratch, 'runtime')
    os.mkdir(runtime, 0o700)
    env = {'XDG_RUNTIME_DIR': runtime}
    before = set(os.listdir('/run')), set(os.listdir('/tmp'))
    for argv in (['memops', 'mremap-move', WANTS], ['forks', 'halves', WANTS],
                 ['procs', 'exec', WANTS]):
        argv = [live.prog(argv[0])] + argv[1:]
        plain = live.plain(argv, env=env)
        run = live.managed(argv, LIMIT, None, env=env, private=True)
        check(plain.stdout() == run.stdout(), 'output differs')
    check(os.listdir(runtime) == [], 'left: %s' % os.listdir(runtime))
    after = set(os.listdir('/run')), set(os.listdir('/tmp'))
    new = [name for old, now in zip(before, after) for name in now - old
           if 'pager' in name and not name.startswith('pagerd-live-')]
    check(new == [], 'left: %s' % new)


@add('private-inside')
def private_inside(live):
    """Who runs under a private daemon can ask it, and run more under it."""
    script = '"$0" list; "$0" run --limit 32M -- "$0" list; "$0" check'
    run = Run(live, ['/bin/sh', '-c', script, live.path('src/ctl/pagerctl')],
              limit=LIMIT, private=True)
    run.wait(60)
    lists = run.stdout().split('GROUP')
    check(len(lists) == 3 and 'run-1' in lists[1] and 'run-2' in lists[2],
          'it says: %s %s' % (run.stdout(), run.stderr()))
    check('0 problems' in run.stdout(), run.stdout())


TRANSPARENT = (
    (['/bin/sh', '-c', 'exit 7'], 7),
    (['/bin/sh', '-c', 'kill -TERM $$'], 128 + signal.SIGTERM),
    (['/bin/sh', '-c', 'cat; echo error >&2'], 0),
    (['/bin/sh', '-c', 'trap "exit 9" USR1; kill -USR1 $$; sleep 5'], 9),
    (['/bin/sh', '-c', 'ulimit -a; umask; pwd; ls /proc/self/fd; '
      'ps -o pgid= -p $$ >/dev/null'], 0),
    (['/usr/bin/python3', '-c', 'import signal, sys; print(sys.argv, '
      'signal.pthread_sigmask(signal.SIG_BLOCK, []), '
      '[signal.getsignal(s) for s in range(1, 32)])', 'a b', ''], 0),
    (['/usr/bin/env'], 0),
)


def own_lines(text):
    """Output, less what a run must add to the environment."""
    names = ('LD_PRELOAD=', 'PAGERD_', 'LIVE_')
    return [line for line in text.splitlines()
            if not line.startswith(names)]


@add('transparent')
def transparent(live):
    """Environment, input, output, status and signals are untouched."""
    daemon = live.daemon()
    source = os.path.join(live.dir, 'input')
    with open(source, 'w', encoding='ascii') as f:
        f.write('line\n' * 1000)
    for argv, status in TRANSPARENT:
        runs = []
        for limit, server in ((None, None), (LIMIT, daemon)):
            with open(source, 'rb') as stdin:
                run = Run(live, argv, limit=limit, daemon=server, stdin=stdin)
                runs.append(run.wait(60, None))
        # a signal that ended it shows as the shell shows it
        found = [run.proc.returncode for run in runs]
        check(found == [status, status], '%s: exit statuses %s' % (
            argv, found))
        check(own_lines(runs[0].stdout()) == own_lines(runs[1].stdout()),
              '%s: output differs:\n%s\n%s' % (
                  argv, runs[0].stdout(), runs[1].stdout()))
        check(runs[0].stderr() == runs[1].stderr(), '%s: it said: %s' % (
            argv, runs[1].stderr()))
    daemon.expect_idle()


def hostile(live, daemon, thing, victim):
    """One bad thing; the victim works on, and nothing is left of it."""
    link = daemon.call
    group = link('CreateGroup', name='hostile', limit=LIMIT, ephemeral=False)
    env = dict(live.env, PAGERD_SOCKET=group['client_socket'],
               PAGERD_GROUP=group['token'])
    done = subprocess.run([live.prog('hostile'), thing, '8' if thing not in (
        'lie', 'silent') else '3'], env=env, capture_output=True, timeout=60,
        stdin=subprocess.DEVNULL, check=False)
    text = (done.stdout + done.stderr).decode(errors='replace').strip()
    print('hostile: %s' % text, flush=True)
    # a client may end itself when the daemon has hung up, but not before
    check(done.returncode == 0, '%s: exit status %d: %s' % (
        thing, done.returncode, text))
    victim.await_rounds(1)
    daemon.check_model()
    wait_for('%s to be forgotten' % thing, lambda: all(
        g['spaces'] == 0 for g in daemon.groups() if g['name'] == 'hostile'))
    link('CloseGroup', group='hostile')


@add('hostile', timeout=600)
def hostile_clients(live):
    """Every bad thing that a client can do, beside one that works."""
    with at_work(live) as (daemon, victim):
        things = subprocess.run(
            [live.prog('hostile'), 'list'], stdout=subprocess.PIPE,
            timeout=60, check=True).stdout.decode().split()
        check(len(things) > 30, 'only %d bad things' % len(things))
        fds = daemon.count_fds()
        for thing in things:
            hostile(live, daemon, thing, victim)
            wait_for('descriptors to be closed after "%s"' % thing,
                     lambda: daemon.count_fds() <= fds)


BAD_CONTROL = (
    b'\0', b'{}\0', b'[]\0', b'nonsense\0', b'{"method": 7}\0',
    b'{"method": "org.pagerd.Nothing"}\0',
    b'{"method": "org.pagerd.SetLimit", "parameters": []}\0',
    b'{"method": "org.pagerd.SetLimit", "parameters": {"group": 5}}\0',
    b'{"method": "org.pagerd.CreateGroup", "parameters": '
    b'{"limit": -1, "ephemeral": true}}\0',
    b'{"method": "org.pagerd.CreateGroup", "parameters": '
    b'{"name": "' + b'x' * 5000 + b'", "limit": 99999999, '
    b'"ephemeral": true}}\0',
    b'\xff\xfe\0', b'{"method": "org.pagerd.GetStats"',
    b'[' * 100000 + b'\0', b'x' * 8 * MIB,
)


def bad_request(daemon, data):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(daemon.control)
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            answer = sock.recv(65536)
        except (BrokenPipeError, ConnectionResetError):
            answer = b''
    check(answer == b'' or b'"error"' in answer,
          '%r was answered with %r' % (data[:80], answer[:200]))


@add('bad-control')
def bad_control(live):
    """Bad input at the control socket gets an error or an end."""
    with at_work(live) as (daemon, victim):
        fds = daemon.count_fds()
        for data in BAD_CONTROL:
            bad_request(daemon, data)
            wait_for('the connection to be closed',
                     lambda: daemon.count_fds() <= fds)
            victim.await_rounds(1)
