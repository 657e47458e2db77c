"""harness.py: a daemon of our own, runs beside and under it, and what is
asserted of every run.

A case gets a Live object.  plain() runs a command as it is, managed() runs it
under `pagerctl run`; both through leash, which samples the memory of all of
the command's processes in a thread of its own.  Everything that was started
is ended by its pid, also when a case fails.
"""

import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1024 * 1024
PR_SET_CHILD_SUBREAPER = 36
NOBODY = 65534
SKIP = 77
ARTEFACTS = ('src/pagerd', 'src/ctl/pagerctl',
             'src/shim/libpagerd-preload.so')


class Failure(Exception):
    """A test failed."""


class Skip(Exception):
    """The kernel lacks userfaultfd."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(what, condition, seconds=20.0):
    """Poll until condition() is true; the deadline is a failure."""
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end,
              'waited %.0f s for: %s' % (seconds, what))
        time.sleep(0.01)


def read_text(path, limit=None):
    try:
        with open(path, 'rb') as f:
            data = f.read()
    except FileNotFoundError:
        return ''
    if limit is not None and len(data) > limit:
        data = b'... ' + data[-limit:]
    return data.decode(errors='replace')


def children_of(pid):
    """Pids of the children of all threads of a process."""
    found = []
    try:
        for tid in os.listdir('/proc/%d/task' % pid):
            path = '/proc/%d/task/%s/children' % (pid, tid)
            found += [int(word) for word in read_text(path).split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def descendants_of(pid):
    found = children_of(pid)
    for child in found:
        found += children_of(child)
    return found


def end_tree(pid):
    """Kill a process that we started, and all that came of it."""
    for victim in [pid] + descendants_of(pid):
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Varlink:
    """One call after the other on a daemon's control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise

    def call(self, method, **parameters):
        message = {'method': 'org.pagerd.' + method,
                   'parameters': parameters}
        self.sock.sendall(json.dumps(message).encode() + b'\0')
        data = b''
        while not data.endswith(b'\0'):
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionError('the daemon hung up')
            data += more
        answer = json.loads(data[:-1])
        if 'error' in answer:
            raise Failure('%s: %s' % (method, answer))
        return answer.get('parameters', {})

    def close(self):
        self.sock.close()


class Daemon:
    """A daemon with its own sockets.

    config: what its file has besides, the rest of [daemon] and sections.
    """

    def __init__(self, live, name='daemon', config=''):
        self.live = live
        self.dir = os.path.join(live.dir, name)
        self.control = os.path.join(self.dir, 'control')
        self.log = os.path.join(live.dir, name + '.log')
        path = os.path.join(live.dir, name + '.conf')
        with open(path, 'w', encoding='ascii') as f:
            f.write('[daemon]\nclient-timeout = 3\n' + config)
        with open(self.log, 'wb') as log:
            self.proc = subprocess.Popen(
                [live.path('src/pagerd'), '--foreground', '--config', path,
                 '--socket-dir', self.dir],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.proc.pid
        self.leaving = False  # we have ended it, or are about to
        live.daemons.append(self)
        wait_for('the daemon to answer', self.answers)
        self.fds = self.count_fds()

    def answers(self):
        if self.proc.poll() is not None:
            raise Failure('the daemon ended with %d at its start'
                          % self.proc.returncode)
        try:
            self.call('GetVersion')
        except (FileNotFoundError, ConnectionError):
            return False
        return True

    def call(self, method, **parameters):
        link = Varlink(self.control)
        try:
            return link.call(method, **parameters)
        finally:
            link.close()

    def count_fds(self):
        return len(os.listdir('/proc/%d/fd' % self.pid))

    def groups(self):
        return self.call('ListGroups')['groups']

    def pages_out(self):
        return sum(group['out'] for group in self.groups())

    def check_model(self):
        """`pagerctl check` must find nothing."""
        done = subprocess.run(
            [self.live.path('src/ctl/pagerctl'), '--socket', self.control,
             'check'], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=120, check=False)
        text = (done.stdout + done.stderr).decode(errors='replace')
        check(done.returncode == 0,
              'pagerctl check: exit status %d\n%s' % (done.returncode, text))
        return text

    def is_idle(self):
        stats = self.call('GetStats')
        return (stats['spaces'] == 0 and stats['groups'] == 0 and
                stats['store']['pages'] == 0 and
                self.count_fds() <= self.fds)

    def state(self):
        stats = self.call('GetStats')
        return ('%d spaces, %d groups, %d pages stored, %d fds (%d before)' %
                (stats['spaces'], stats['groups'], stats['store']['pages'],
                 self.count_fds(), self.fds))

    def expect_idle(self):
        """Nothing of an ended run is left in the daemon."""
        try:
            wait_for('the daemon to forget the run', self.is_idle)
        except Failure as failure:
            raise Failure('%s: %s' % (failure, self.state())) from None
        self.check_model()

    def stop(self):
        """Clean stop: exit status 0, and no socket left."""
        if self.proc.returncode is not None:
            return
        self.leaving = True
        self.proc.send_signal(signal.SIGTERM)
        self.expect_end(0)
        left = sorted(os.listdir(self.dir)) if os.path.isdir(self.dir) else []
        check(left == [], 'the daemon left %s behind' % left)

    def expect_end(self, status, seconds=60):
        try:
            self.proc.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure('the daemon did not end') from None
        check(self.proc.returncode == status,
              'the daemon ended with %d' % self.proc.returncode)

    def kill(self):
        self.leaving = True
        self.proc.kill()
        self.proc.wait()


class Hold:
    """Programs connect and wait here until a callback has looked at them."""

    def __init__(self, path, callback):
        self.path = path
        self.callback = callback
        self.seen = []
        self.failure = None
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        os.chmod(path, 0o777)
        self.sock.listen(64)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(conn,),
                             daemon=True).start()

    def answer(self, conn):
        with conn:
            line = conn.recv(256).decode()
            if not line:
                return
            name, pid = line.split('\n')[0].rsplit(' ', 1)
            self.seen.append(name)
            try:
                self.callback(name, int(pid))
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                self.failure = self.failure or failure
            try:
                conn.send(b'.')
            except OSError:
                pass

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        os.unlink(self.path)


class Run:
    """A command that runs under leash, plain or managed."""

    def __init__(self, live, argv, limit=None, daemon=None, user=False,
                 env=None, stdin=None, hold=None, private=False, cwd=None,
                 run_options=()):
        self.live = live
        self.limit = limit
        self.daemon = daemon
        number = live.next_number()
        base = os.path.join(live.dir, 'run%d' % number)
        self.out = base + '.out'
        self.err = base + '.err'
        self.report = base + '.report'
        self.summary_path = os.path.join(live.scratch,
                                         'summary%d' % number)
        self.checks = []
        self.failure = None
        self.hold = Hold(base + '.hold', hold or self.at_hold)
        self.argv = self.command(argv, user, private, run_options)
        environment = dict(live.env, LIVE_HOLD=base + '.hold', **(env or {}))
        if limit is not None:
            environment['LIVE_LIMIT'] = str(limit)
        self.start = time.monotonic()
        with open(self.out, 'wb') as out, open(self.err, 'wb') as err:
            self.proc = subprocess.Popen(
                self.argv, stdin=stdin or subprocess.DEVNULL, stdout=out,
                stderr=err, env=environment, cwd=cwd or live.scratch,
                start_new_session=True)
        live.runs.append(self)
        self.done = threading.Event()
        self.watcher = None
        if daemon is not None:
            self.watcher = threading.Thread(target=self.watch, daemon=True)
            self.watcher.start()

    def command(self, argv, user, private, run_options):
        live = self.live
        full = [live.path('tests/live/leash'), self.report,
                live.path('src/pagerd'), live.path('src/ctl/pagerctl'),
                '--']
        if user:
            full += ['setpriv', '--reuid=%d' % NOBODY, '--regid=%d' % NOBODY,
                     '--clear-groups']
        if self.limit is not None:
            full.append(live.path('src/ctl/pagerctl'))
            if self.daemon is not None:
                full += ['--socket', self.daemon.control]
            full += ['run', '--limit', str(self.limit),
                     '--summary=' + self.summary_path]
            full += ['--private'] if private else []
            full += list(run_options) + ['--']
        return full + list(argv)

    def model_check(self, must_be_out):
        out = self.daemon.pages_out()
        self.daemon.check_model()
        if must_be_out:
            check(out > 0, 'no page is out')
        if out > 0:
            self.checks.append(out)

    def at_hold(self, name, pid):
        del name, pid
        if self.daemon is not None:
            self.model_check(must_be_out=True)

    def watch(self):
        """Checks the model now and then while pages are out."""
        pause = 0.05
        while not self.done.wait(pause) and not self.daemon.leaving:
            try:
                if self.daemon.pages_out() > 0:
                    self.model_check(must_be_out=False)
                    pause = min(pause * 1.5, 3.0)
                else:
                    pause = 0.05
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                if not self.daemon.leaving:
                    self.failure = failure
                return

    def stderr(self):
        return read_text(self.err, 3000)

    def stdout(self):
        return read_text(self.out)

    def summary(self):
        text = read_text(self.summary_path)
        return json.loads(text) if text.strip() else {}

    def wait(self, timeout, status=0):
        """Wait for the end, and assert what is true of every run."""
        try:
            self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            end_tree(self.proc.pid)
            self.proc.wait()
            raise Failure('not finished after %.0f s: %s\n%s' % (
                timeout, ' '.join(self.argv), self.stderr())) from None
        finally:
            self.end()
        self.seconds = time.monotonic() - self.start
        self.memory = json.loads(read_text(self.report) or '{}')
        check(self.memory.get('left') == 0, 'processes were left: %s %s' % (
            self.memory, self.stderr()))
        for failure in (self.hold.failure, self.failure):
            if failure is not None:
                raise failure
        if status is not None:
            check(self.proc.returncode == status,
                  'exit status %d, not %d: %s\n%s' % (
                      self.proc.returncode, status, ' '.join(self.argv),
                      self.stderr()))
        return self

    def end(self):
        if self in self.live.runs:
            self.live.runs.remove(self)
        self.done.set()
        if self.watcher is not None:
            self.watcher.join(130)
        self.hold.close()

    def peak(self):
        return self.memory['peak']

    def expect_evicted(self):
        """The budget mattered, and the model was looked at meanwhile."""
        check(self.peak() >= self.limit / 2,
              'peak %.1f MiB: the budget was never reached' % (
                  self.peak() / MIB))
        summary = self.summary()
        check(summary.get('managed') is True, 'not managed: %s' % summary)
        check(summary['evicted_pages'] > 0, 'no page was evicted')
        if self.daemon is not None:
            check(self.checks, 'the model was never checked with pages out')

    def within_budget(self):
        return self.peak() <= self.limit * 1.05 + 4 * MIB

    def expect_budget(self):
        """The sampled peak is within the budget, and the budget mattered."""
        allowed = self.limit * 1.05 + 4 * MIB
        check(self.memory['samples'] >= 5,
              'only %d samples of memory' % self.memory['samples'])
        check(self.peak() <= allowed, 'peak %.1f MiB, allowed %.1f MiB' % (
            self.peak() / MIB, allowed / MIB))
        self.expect_evicted()

    def line(self):
        text = '%.2f s, peak %.1f MiB' % (self.seconds, self.peak() / MIB)
        if self.limit is not None:
            summary = self.summary()
            text += ' of %.1f MiB, %d evicted, %d back, %d checks' % (
                self.limit / MIB, summary.get('evicted_pages') or 0,
                summary.get('refault_pages') or 0, len(self.checks))
        return text


class Live:
    """What a case works with."""

    def __init__(self, name, build, source):
        self.name = name
        self.source = source
        self.daemons = []
        self.runs = []
        self.helpers = []
        self.number = 0
        self.figures = {}
        self.seed = int(os.environ.get('TEST_SEED') or
                        random.SystemRandom().randrange(1, 1 << 31))
        self.random = random.Random(self.seed)
        self.shm = self.shm_files()
        self.dir = tempfile.mkdtemp(prefix='pagerd-live-', dir='/tmp')
        os.chmod(self.dir, 0o755)
        self.scratch = os.path.join(self.dir, 'scratch')
        os.mkdir(self.scratch)
        os.chmod(self.scratch, 0o777)
        self.env = self.environment()
        self.build = build

    @staticmethod
    def shm_files():
        return set(os.listdir('/dev/shm'))

    def environment(self):
        keep = ('LANG', 'HOME', 'USER', 'LOGNAME')
        env = {key: os.environ[key] for key in keep if key in os.environ}
        env.update(PATH='/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL='C.UTF-8',
                   TMPDIR=self.scratch, TEST_SEED=str(self.seed),
                   PYTHONDONTWRITEBYTECODE='1')
        return env

    def stage(self):
        """A copy of what was built, that any user may run."""
        self.bin = os.path.join(self.dir, 'bin')
        programs = os.path.join(self.build, 'tests', 'live')
        names = list(ARTEFACTS)
        for entry in sorted(os.listdir(programs)):
            path = os.path.join(programs, entry)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                names.append('tests/live/' + entry)
        for name in names:
            target = os.path.join(self.bin, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(self.build, name), target)
        here = os.path.dirname(os.path.abspath(__file__))
        for entry in os.listdir(here):
            if entry.endswith('.py'):
                shutil.copy(os.path.join(here, entry),
                            os.path.join(self.bin, 'tests/live', entry))

    def path(self, name):
        return os.path.join(self.bin, name)

    def prog(self, name):
        return self.path('tests/live/' + name)

    def next_number(self):
        self.number += 1
        return self.number

    def daemon(self, name='daemon', config=''):
        return Daemon(self, name, config)

    def plain(self, argv, timeout=300, status=0, **options):
        run = Run(self, argv, **options).wait(timeout, status)
        print('plain:   %s' % run.line(), flush=True)
        self.figures.setdefault('plain', []).append(
            [run.seconds, run.peak()])
        return run

    def managed_once(self, argv, limit, daemon, timeout, status, options):
        run = Run(self, argv, limit=limit, daemon=daemon, **options)
        run.wait(timeout, status)
        print('managed: %s' % run.line(), flush=True)
        self.figures.setdefault('managed', []).append(
            [run.seconds, run.peak(), limit])
        run.expect_evicted()
        if daemon is not None:
            daemon.expect_idle()
        return run

    def managed(self, argv, limit, daemon, timeout=600, status=0, budget=True,
                **options):
        """Runs under the budget.

        How far fresh memory grows before it is seen depends on how promptly
        the machine runs the daemon, and others use these machines too: what
        the program computes must be right every time, the peak once in three
        runs.
        """
        for attempt in range(3):
            run = self.managed_once(argv, limit, daemon, timeout, status,
                                    options)
            if not budget or run.within_budget():
                return run
            print('over the budget in run %d of 3' % (attempt + 1),
                  flush=True)
        run.expect_budget()
        return run

    def both(self, argv, limit, daemon, timeout=600, budget=True, **options):
        """The same command plain and managed, with the same output.

        Its peak is sampled, and a plain run can be over before it is.
        """
        for _ in range(3):
            plain = self.plain(argv, timeout, **options)
            if plain.peak() > 2 * limit:
                break
        check(plain.peak() > 2 * limit,
              'it wants only %.1f MiB' % (plain.peak() / MIB))
        managed = self.managed(argv, limit, daemon, timeout, budget=budget,
                               **options)
        check(plain.stdout() == managed.stdout(),
              'output differs:\n%s\nplain:\n%s' % (
                  managed.stdout()[-500:], plain.stdout()[-500:]))
        return managed

    def helper(self, argv, **options):
        """A process of ours beside the runs."""
        proc = subprocess.Popen(argv, env=self.env, **options)
        self.helpers.append(proc)
        return proc

    def finish(self):
        """At the end of a case that passed: nothing is left behind."""
        for daemon in self.daemons:
            daemon.stop()
        for proc in self.helpers:
            proc.wait(30)
        left = descendants_of(os.getpid())
        check(left == [], 'processes are left: %s' % [
            read_text('/proc/%d/cmdline' % pid) for pid in left])
        shm = self.shm_files() - self.shm
        check(not any('pager' in name for name in shm),
              'left in /dev/shm: %s' % shm)

    def cleanup(self):
        """After every case: end what we started."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for pid in children_of(os.getpid()):
                end_tree(pid)
            try:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.01)  # orphans become ours meanwhile
            except ChildProcessError:
                break
        if os.environ.get('LIVE_KEEP'):
            print('kept: %s' % self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def explain(self):
        """What the daemons and the last runs said."""
        for run in self.runs:
            print('--- still running: %s\n%s' % (
                ' '.join(run.argv), run.stderr()))
        for daemon in self.daemons:
            text = read_text(daemon.log, 6000)
            print('--- log of pagerd %d:\n%s' % (daemon.pid, text))


def kernel_has_userfaultfd():
    return os.path.exists('/dev/userfaultfd') or bool(
        re.search(r'^[0-9a-f]+ \w .*sys_userfaultfd$',
                  read_text('/proc/kallsyms'), re.M))


def run_case(function, name, build, source):
    """Exit status of a case."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.geteuid() != 0:
        print('these tests start a system instance: run them as root')
        return 1
    if not kernel_has_userfaultfd():
        print('skipped: this kernel has no userfaultfd')
        return SKIP
    live = Live(name, build, source)
    print('case %s, TEST_SEED=%d' % (name, live.seed), flush=True)
    try:
        live.stage()
        function(live)
        live.finish()
    except (Failure, ConnectionError, subprocess.SubprocessError,
            OSError, KeyError, ValueError) as failure:
        print('FAILED: %s: %s' % (type(failure).__name__, failure))
        live.explain()
        return 1
    finally:
        live.cleanup()
    save(build, name, live.figures)
    print('passed')
    return 0


def save(build, name, figures):
    """Keeps the figures of the last run of a case beside the programs."""
    directory = os.path.join(build, 'tests', 'live', 'figures')
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, name + '.json')
    with open(path, 'w', encoding='ascii') as f:
        json.dump(figures, f)
    sys.stdout.flush()
