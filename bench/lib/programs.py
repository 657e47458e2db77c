"""programs.py: programs that we start, each in a session of its own, and that
never outlive us.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import tempfile

from . import signals
from .errors import Failed, Unavailable

TOO_LONG = 900  # seconds
PATIENCE = 10  # seconds, after SIGTERM
STDERR_KEPT = 2000  # bytes
READY = b'ready\n'
PATH = '/usr/sbin:/usr/bin:/sbin:/bin'


def environment(more=None):
    keep = {name: os.environ[name] for name in ('HOME', 'TMPDIR')
            if name in os.environ}
    return dict(keep, PATH=PATH, LC_ALL='C', **(more or {}))


def needed(name):
    """=> the path of a program that others have made"""
    path = shutil.which(name, path=PATH)
    if path is None:
        raise Unavailable('no %s' % name)
    return path


class Program:
    """A running program.  As a context manager it has ended afterwards."""

    living = set()

    def __init__(self, argv, env=None, cwd=None):
        self.argv = [str(word) for word in argv]
        self.stderr = tempfile.TemporaryFile()
        with signals.held():
            self.start(env, cwd)

    def start(self, env, cwd):
        try:
            self.proc = subprocess.Popen(
                self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=self.stderr, env=environment(env), cwd=cwd,
                start_new_session=True)
        except OSError as error:
            raise Failed('%s: %s' % (self.argv[0], error)) from None
        self.living.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @property
    def pid(self):
        return self.proc.pid

    def complaint(self, what):
        self.stderr.seek(0)
        said = self.stderr.read()[-STDERR_KEPT:].decode(errors='replace')
        return Failed('%s: %s\n%s' % (' '.join(self.argv), what,
                                      said.rstrip()))

    def await_ready(self, seconds=TOO_LONG):
        """Until it says that it is ready (bench_ready() in C)."""
        out = self.proc.stdout
        readable, _, _ = select.select([out], [], [], seconds)
        if not readable or out.readline() != READY:
            raise self.complaint('never got ready')

    def go_on(self):
        try:
            self.proc.stdin.write(b'\n')
            self.proc.stdin.flush()
        except BrokenPipeError:
            raise self.complaint('ended too early') from None

    def wait(self, seconds=TOO_LONG):
        """=> what it printed; its exit status was 0"""
        try:
            out, _ = self.proc.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise self.complaint('not finished in time') from None
        if self.proc.returncode != 0:
            raise self.complaint('exit status %d' % self.proc.returncode)
        return out.decode(errors='replace')

    def end(self):
        """Whatever it is doing; its group is our own making."""
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.proc.wait()
        for stream in (self.proc.stdin, self.proc.stdout, self.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self.living.discard(self)


def end_all():
    """What a signal kept from being ended where it was started."""
    for program in list(Program.living):
        program.end()


def run(argv, env=None, cwd=None):
    """=> what it printed"""
    with Program(argv, env, cwd) as program:
        return program.wait()


def read_json(path):
    try:
        with open(path, encoding='utf-8') as f:
            return json.load(f)
    except (FileNotFoundError, ValueError) as error:
        raise Failed('no figures: %s' % error) from None


def write_json(path, value):
    with open(path, 'w', encoding='utf-8') as f:
        json.dump(value, f, indent=1)
        f.write('\n')


def on_cpu(cpu):
    """=> the words before a command that runs on this CPU only"""
    return [] if cpu is None else ['taskset', '-c', str(cpu)]


def a_cpu():
    return max(os.sched_getaffinity(0))
