"""swap.py: swap devices of our own: zram, and a file on a loop device.

Each is a context manager that makes the device and removes it; on() is one
for swapping to it, which begins with an empty device.  Who enters one holds
signals back (signals.held()) until it is sure to be left.
"""

import contextlib
import os
import subprocess
import time

from .cgroup import read, write
from .errors import Failed, Unavailable
from .programs import environment, needed

ZRAM_CONTROL = '/sys/class/zram-control'
HIGHEST = '32767'  # priority: before any swap that the machine has
TRIES = 20


def tool(*argv):
    """=> what it printed"""
    done = subprocess.run([needed(argv[0]), *argv[1:]], env=environment(),
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise Failed('%s: %s' % (' '.join(argv), done.stderr.strip()))
    return done.stdout.strip()


def patiently(function):
    """Udev, or blkid, may look at a device just when we want it gone."""
    for left in reversed(range(TRIES)):
        try:
            return function()
        except (OSError, Failed):
            if left == 0:
                raise
        time.sleep(0.1)
    return None


@contextlib.contextmanager
def swapping_to(device):
    tool('mkswap', device)
    tool('swapon', '-p', HIGHEST, device)
    try:
        yield
    finally:
        patiently(lambda: tool('swapoff', device))


class Zram:
    """A zram device that was not there before."""

    algorithm = 'lz4'

    def __init__(self, size_bytes):
        self.size_bytes = size_bytes
        self.loaded = False  # the module, by us

    def __enter__(self):
        self.load()
        try:
            self.number = int(read(ZRAM_CONTROL + '/hot_add'))
        except OSError as error:
            self.unload()
            raise Unavailable('no zram device: %s' % error) from None
        self.sys = '/sys/block/zram%d/' % self.number
        self.device = '/dev/zram%d' % self.number
        return self

    def load(self):
        if os.path.isdir(ZRAM_CONTROL):
            return
        try:
            tool('modprobe', 'zram')
            self.loaded = True
        except Failed as error:
            raise Unavailable('no zram: %s' % error) from None
        if not os.path.isdir(ZRAM_CONTROL):
            self.unload()
            raise Unavailable('this zram cannot add a device')

    def unload(self):
        if self.loaded:
            tool('modprobe', '-r', 'zram')

    def __exit__(self, *_):
        patiently(lambda: write(ZRAM_CONTROL + '/hot_remove', self.number))
        self.unload()

    def prepare(self):
        patiently(lambda: write(self.sys + 'reset', 1))
        write(self.sys + 'comp_algorithm', self.algorithm)
        write(self.sys + 'disksize', self.size_bytes)

    @contextlib.contextmanager
    def on(self):
        try:
            self.prepare()
        except OSError as error:
            raise Unavailable('zram with %s: %s' % (
                self.algorithm, error)) from None
        try:
            with swapping_to(self.device):
                yield
        finally:
            patiently(lambda: write(self.sys + 'reset', 1))


class LoopFile:
    """A swap file, by a loop device that goes past the page cache."""

    def __init__(self, path, size_bytes):
        self.path = path
        self.size_bytes = size_bytes

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.remove_file()
            raise
        return self

    def make(self):
        with open(self.path, 'wb') as f:
            os.chmod(self.path, 0o600)
            os.posix_fallocate(f.fileno(), 0, self.size_bytes)
        try:
            self.device = tool('losetup', '--find', '--show',
                               '--direct-io=on', self.path)
        except Failed as error:
            raise Unavailable('no loop device: %s' % error) from None

    def remove_file(self):
        if os.path.exists(self.path):
            os.unlink(self.path)

    def __exit__(self, *_):
        try:
            patiently(lambda: tool('losetup', '--detach', self.device))
        finally:
            self.remove_file()

    def on(self):
        return swapping_to(self.device)
