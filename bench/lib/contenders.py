"""contenders.py: the ways to run a program in less memory than it wants.

Each is a context manager for the whole time, in which it makes what the
machine must have (a device, say), and has ready(limit) for one run.  No two of
them are ready at the same time: the kernel has one swap device to choose from.
"""

import contextlib
import os
from typing import NamedTuple

from . import cgroup, signals, swap
from .errors import Failed, Unavailable
from .programs import read_json

MIB = 1 << 20


class Place(NamedTuple):
    """How to run a program here."""
    words: list  # before the command
    env: dict
    touch_options: list  # for bench/touch only


class Contender:
    """What all have; this one is the program as it is."""

    name = 'plain'

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.kills = 0  # by the kernel, for want of memory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @contextlib.contextmanager
    def ready(self, _limit_mib):
        yield Place([], {}, [])

    def summary(self):
        """=> of the last run; None if this way has no such thing"""
        return None


class Pagerd(Contender):
    """A daemon that is started for the run."""

    name = 'pagerd'

    def __enter__(self):
        if not os.path.exists('/dev/userfaultfd'):
            raise Unavailable('this kernel has no userfaultfd')
        return self

    @contextlib.contextmanager
    def ready(self, limit_mib):
        self.path = os.path.join(self.directory, 'summary')
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        ctl = os.path.join(self.options.build, 'src/ctl/pagerctl')
        yield Place([ctl, 'run', '--private', '--limit', '%dM' % limit_mib,
                     '--summary=' + self.path, '--'], {}, [])

    def summary(self):
        summary = read_json(self.path)
        if not summary['managed']:
            raise Failed('pagerd did not manage it: %s' % summary['reason'])
        return summary


class KernelSwap(Contender):
    """A memory cgroup, and a swap device that there is for the run."""

    def device(self):
        raise NotImplementedError

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.tree = cgroup.hierarchy()
            stack.enter_context(self.tree.enabled())
            self.swap = stack.enter_context(self.device())
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    @contextlib.contextmanager
    def ready(self, limit_mib):
        group = cgroup.Cgroup(self.tree, 'pagerd-bench-%d' % os.getpid(),
                              limit_mib * MIB)
        with contextlib.ExitStack() as stack:
            stack.callback(self.count_kills, group)
            with signals.held():
                stack.enter_context(self.swap.on())
                stack.enter_context(group)
            yield Place(group.enter_words(), {}, [])

    def count_kills(self, group):
        self.kills += group.kills


class Zram(KernelSwap):
    name = 'zram'

    def device(self):
        return swap.Zram(self.options.swap_mib * MIB)


class SwapFile(KernelSwap):
    name = 'swapfile'

    def device(self):
        path = os.path.join(self.options.scratch,
                            'pagerd-bench-%d.swap' % os.getpid())
        return swap.LoopFile(path, self.options.swap_mib * MIB)


class Umap(Contender):
    """LLNL's UMap: a library that a program must be written for."""

    name = 'umap'
    page_bytes = 4096

    def __enter__(self):
        if self.options.umap is None:
            raise Unavailable('no --umap')
        self.file = os.path.join(self.options.scratch,
                                 'pagerd-bench-%d.umap' % os.getpid())
        return self

    @contextlib.contextmanager
    def ready(self, limit_mib):
        env = {'UMAP_PAGESIZE': str(self.page_bytes),
               'UMAP_BUFSIZE': str(limit_mib * MIB // self.page_bytes)}
        try:
            yield Place([], env,
                        ['-u', self.options.umap, '-f', self.file])
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.file)


ALL = {way.name: way for way in (Contender, Pagerd, Zram, SwapFile, Umap)}


class Field:
    """Contenders are made when somebody first wants them."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.stack = contextlib.ExitStack()
        self.there = {}
        self.missing = {}  # reasons

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def get(self, name):
        """=> a contender, or Unavailable"""
        if name not in self.there and name not in self.missing:
            self.make(name)
        if name in self.missing:
            raise Unavailable(self.missing[name])
        return self.there[name]

    def make(self, name):
        if name in self.options.without:
            self.missing[name] = 'was to be left out'
            return
        try:
            with signals.held():
                self.there[name] = self.stack.enter_context(
                    ALL[name](self.options, self.directory))
        except Unavailable as unavailable:
            self.missing[name] = str(unavailable)

    def those(self, names):
        """=> the ones of these that there are"""
        found = []
        for name in names:
            with contextlib.suppress(Unavailable):
                found.append(self.get(name))
        return found
