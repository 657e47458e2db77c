"""daemon.py: a pagerd with sockets of its own, as the system's daemon is."""

import json
import os
import subprocess
import time

from .errors import Failed
from .programs import Program, environment

PATIENCE = 10  # seconds
ANSWERS_WITHIN = 120


class Daemon:
    """As a context manager: it runs, and has ended afterwards."""

    def __init__(self, build, directory):
        self.ctl = os.path.join(build, 'src/ctl/pagerctl')
        self.control = os.path.join(directory, 'control')
        self.program = Program([os.path.join(build, 'src/pagerd'),
                                '--foreground', '--socket-dir', directory])

    def __enter__(self):
        try:
            self.await_socket()
        except BaseException:
            self.program.end()
            raise
        return self

    def __exit__(self, *_):
        self.program.end()

    @property
    def pid(self):
        return self.program.pid

    def await_socket(self):
        end = time.monotonic() + PATIENCE
        while not os.path.exists(self.control):
            if self.program.proc.poll() is not None:
                raise self.program.complaint('ended at its start')
            if time.monotonic() > end:
                raise self.program.complaint('made no socket')
            time.sleep(0.01)

    def ask(self, *words):
        try:
            done = subprocess.run(
                [self.ctl, '--socket', self.control, *words],
                env=environment(), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=ANSWERS_WITHIN,
                check=False)
        except subprocess.TimeoutExpired as late:
            raise Failed('no answer: %s' % late) from None
        if done.returncode != 0:
            raise Failed('pagerctl %s: %s' % (' '.join(words), done.stderr))
        return done.stdout

    def ask_json(self, *words):
        return json.loads(self.ask(*words, '--json'))

    def run_words(self, limit, *options):
        """=> the words before a command that it manages; limit as 64M"""
        return [self.ctl, '--socket', self.control, 'run', '--limit', limit,
                *options, '--']
