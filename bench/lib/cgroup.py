"""cgroup.py: a memory limit of the kernel's, by cgroup version 1 or 2."""

import contextlib
import errno
import os
import signal
import time

from .errors import Unavailable

BUSY_SECONDS = 10


def read(path):
    with open(path, encoding='ascii') as f:
        return f.read()


def write(path, value):
    with open(path, 'w', encoding='ascii') as f:
        f.write(str(value))


def mounts(kind):
    """=> (directory, options) of each mounted file system of that kind"""
    with open('/proc/self/mounts', encoding='utf-8') as f:
        words = [line.split() for line in f]
    return [(word[1], word[3].split(',')) for word in words
            if word[2] == kind]


class Version1:
    limit_file = 'memory.limit_in_bytes'
    events_file = 'memory.oom_control'

    def __init__(self, root):
        self.root = root

    @contextlib.contextmanager
    def enabled(self):
        yield


class Version2:
    limit_file = 'memory.max'
    events_file = 'memory.events'

    def __init__(self, root):
        self.root = root
        self.control = os.path.join(root, 'cgroup.subtree_control')

    @contextlib.contextmanager
    def enabled(self):
        """Children of the root have a memory controller meanwhile."""
        if 'memory' in read(self.control).split():
            yield
            return
        write(self.control, '+memory')
        try:
            yield
        finally:
            write(self.control, '-memory')


def hierarchy():
    """=> the one that has the memory controller"""
    for root, options in mounts('cgroup'):
        if 'memory' in options:
            return Version1(root)
    for root, _ in mounts('cgroup2'):
        path = os.path.join(root, 'cgroup.controllers')
        if os.path.exists(path) and 'memory' in read(path).split():
            return Version2(root)
    raise Unavailable('no memory controller is mounted')


class Cgroup:
    """A group of our own with a limit."""

    def __init__(self, tree, name, limit_bytes):
        self.tree = tree
        self.path = os.path.join(tree.root, name)
        self.limit_bytes = limit_bytes
        self.kills = 0  # valid when the group has gone

    def __enter__(self):
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise Unavailable('no cgroup: %s' % error) from None
        try:
            write(self.file(self.tree.limit_file), self.limit_bytes)
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.end_members()
        self.kills = self.oom_kills()
        self.remove()

    def end_members(self):
        """There are none but what we started, and that ended before."""
        for pid in read(self.file('cgroup.procs')).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def file(self, name):
        return os.path.join(self.path, name)

    def enter_words(self):
        """=> the words before a command that runs in this group"""
        return ['/bin/sh', '-c', 'echo $$ >"$0" && exec "$@"',
                self.file('cgroup.procs')]

    def oom_kills(self):
        for line in read(self.file(self.tree.events_file)).splitlines():
            name, value = line.split()
            if name == 'oom_kill':
                return int(value)
        return 0

    def remove(self):
        """Its last process may still be about to go."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                os.rmdir(self.path)
                return
            except OSError as error:
                if (error.errno != errno.EBUSY or
                        time.monotonic() > end):
                    raise
            time.sleep(0.02)
