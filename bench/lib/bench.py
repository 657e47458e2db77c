"""bench.py: what experiments measure with."""

import os
import sys
import tempfile
from dataclasses import dataclass, field

from . import programs
from .daemon import Daemon
from .errors import Failed, Unavailable

TRIES = 5  # of a contender that the kernel kills


@dataclass
class Bench:
    options: object
    directory: str  # ours, temporary
    field: object  # of contenders
    repeated: dict = field(default_factory=dict)  # way: how often
    line: str = ''  # what the progress line says

    def built(self, name):
        return os.path.join(self.options.build, name)

    def program(self, name):
        return self.built(os.path.join('bench', name))

    @property
    def report(self):
        return os.path.join(self.directory, 'report')

    @property
    def rounds(self):
        return self.options.rounds

    def quick_or(self, quick, otherwise):
        return quick if self.options.quick else otherwise

    def daemon(self):
        return Daemon(self.options.build,
                      tempfile.mkdtemp(prefix='daemon', dir=self.directory))

    def say(self, text):
        """One line that is overwritten, if somebody is watching."""
        if sys.stderr.isatty():
            sys.stderr.write('\r\033[K' + text)
        elif text:
            sys.stderr.write(text + '\n')
        sys.stderr.flush()

    def measure(self, argv, env=None):
        """Runs a program that leaves its figures in our report."""
        self.forget_report()
        programs.run(argv, env)
        return programs.read_json(self.report)

    def forget_report(self):
        if os.path.exists(self.report):
            os.unlink(self.report)

    def attempt(self, contender, function):
        """=> what function() returns, in a run without the OOM killer

        It strikes a contender now and then at a limit that it could meet.
        """
        for _ in range(TRIES):
            before = contender.kills
            try:
                return function()
            except Failed:
                if contender.kills == before:
                    raise
            self.repeated[contender.name] = (
                self.repeated.get(contender.name, 0) + 1)
            self.say('the OOM killer struck %s' % contender.name)
        raise Unavailable('the OOM killer struck %s in each of %d tries' % (
            contender.name, TRIES))

    def interleave(self, what, ways):
        """=> the figures of each way, each once a round

        The first one is another each round, so that none always runs into
        what its predecessor left in the caches.
        """
        runs = {way: [] for way in ways}
        names = list(ways)
        for number in range(self.rounds):
            for name in names[number % len(names):] + names[
                    :number % len(names)]:
                self.say('%s: round %d of %d: %s' % (
                    what, number + 1, self.rounds, name))
                runs[name].append(ways[name]())
        return runs

    def interleave_contenders(self, what, contenders, function):
        """The same, with function(contender) for each of them."""
        def way(contender):
            return lambda: self.attempt(contender,
                                        lambda: function(contender))
        return self.interleave(what, {each.name: way(each)
                                      for each in contenders})
