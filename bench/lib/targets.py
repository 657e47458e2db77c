"""targets.py: what is to be reached, and the experiments that tell."""

from dataclasses import dataclass, field
from typing import Callable

from . import (crowds, footprint, idle, keyvalue, memory, misses, service,
               startup, within)
from .errors import Failed, Unavailable

REACHED, MISSED = 'reached', 'NOT reached'
UNMEASURED, FAILED = 'not measured', 'FAILED'


@dataclass(frozen=True)
class Target:
    number: int
    name: str
    what: str
    against: str
    measure: Callable  # several targets may have one experiment


TARGETS = (
    Target(1, 'within', 'programs within their budget', 'plain',
           within.measure),
    Target(2, 'service', 'a missing page of adopted memory',
           'minimal userfaultfd loop, same CPU', service.measure),
    Target(3, 'read', 'random reads, four times the budget', 'zram',
           memory.anywhere),
    Target(4, 'change', 'random changes, four times the budget', 'zram',
           memory.anywhere),
    Target(5, 'sequential', 'passes in order, four times the budget', 'zram',
           memory.anywhere),
    Target(6, 'fill', 'first fill beyond the budget', 'zram',
           memory.anywhere),
    Target(7, 'pinned', '3 to 6 on one CPU', 'zram, pinned', memory.pinned),
    Target(8, 'redis', 'Redis with four times its budget', 'zram',
           keyvalue.measure),
    Target(9, 'misses', 'zipf 0.99: share of reads that miss',
           'LRU, Belady', misses.measure),
    Target(10, 'crowds', 'four clients, and 16 threads', 'one client',
           crowds.measure),
    Target(11, 'footprint', 'metadata and memory of the daemon',
           'what is managed', footprint.measure),
    Target(12, 'startup', 'fork, exec and exit of true', 'plain',
           startup.measure),
    Target(13, 'idle', 'a group within its budget, idle', 'nothing',
           idle.measure),
)


@dataclass
class Verdict:
    target: Target
    state: str
    reason: str = ''
    checks: list = field(default_factory=list)

    def as_json(self):
        return {'number': self.target.number, 'name': self.target.name,
                'what': self.target.what, 'against': self.target.against,
                'state': self.state, 'reason': self.reason,
                'checks': [check.as_json() for check in self.checks]}


@dataclass
class Experiment:
    """What one of them found; it had no outcome if something went wrong."""
    name: str
    outcome: object = None
    repeated: dict = field(default_factory=dict)

    def as_json(self):
        outcome = self.outcome
        return {'name': self.name, 'repeated': self.repeated,
                'notes': outcome.notes if outcome else [],
                'runs': outcome.runs if outcome else {}}


def select(words):
    """=> targets by number or name, in their order; ValueError"""
    wanted = set(words)
    found = [target for target in TARGETS if not words or
             {str(target.number), target.name} & wanted]
    known = {word for target in TARGETS
             for word in (str(target.number), target.name)}
    if wanted - known:
        raise ValueError('no such target: %s' % ', '.join(
            sorted(wanted - known)))
    return found


def judge(target, checks):
    if not checks:
        return Verdict(target, UNMEASURED, 'nothing could be measured')
    reached = all(check.reached for check in checks)
    return Verdict(target, REACHED if reached else MISSED, '', checks)


def experiment(bench, targets):
    """=> the experiment that these targets have, and their verdicts"""
    measure = targets[0].measure
    found = Experiment('%s.%s' % (measure.__module__.split('.')[-1],
                                  measure.__name__))
    bench.repeated = found.repeated
    try:
        found.outcome = measure(bench)
    except Unavailable as unavailable:
        return found, [Verdict(target, UNMEASURED, str(unavailable))
                       for target in targets]
    except Failed as failed:
        return found, [Verdict(target, FAILED, str(failed))
                       for target in targets]
    return found, [judge(target, found.outcome.checks[target.number])
                   for target in targets]


def run(bench, targets, on_verdict):
    """=> (experiments, verdicts), each verdict told when it is there"""
    experiments, verdicts = [], []
    for measure in dict.fromkeys(target.measure for target in targets):
        found, judged = experiment(bench, [
            target for target in targets if target.measure is measure])
        experiments.append(found)
        verdicts += judged
        for verdict in judged:
            on_verdict(verdict)
    return experiments, verdicts
