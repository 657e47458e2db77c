"""figures.py: what an experiment hands back, and what is made of it."""

import statistics
from dataclasses import dataclass, field


@dataclass
class Check:
    """One figure that a target asks for."""
    label: str
    value: float
    bound: float
    detail: str = ''
    at_least: bool = False  # else at most
    unit: str = ''  # of value and bound; none: a ratio
    strict: bool = False  # the bound itself does not reach it

    @property
    def reached(self):
        if self.strict and self.value == self.bound:
            return False
        if self.at_least:
            return self.value >= self.bound
        return self.value <= self.bound

    def target_text(self):
        sign = {(False, False): '<=', (False, True): '<',
                (True, False): '>=', (True, True): '>'}
        return '%s %g%s' % (sign[self.at_least, self.strict], self.bound,
                            self.unit)

    def value_text(self):
        digits = '%.3f' if abs(self.value) < 2 else '%.2f'
        return digits % self.value + self.unit

    def as_json(self):
        return {'label': self.label, 'value': self.value,
                'unit': self.unit, 'bound': self.bound,
                'at_least': self.at_least, 'reached': self.reached,
                'detail': self.detail}


@dataclass
class Plot:
    """Bars: for each label one for each way, of that way's rounds."""
    title: str
    unit: str
    rows: dict  # label: {way: [value of each round]}
    lower_is_better: bool = True


@dataclass
class Outcome:
    checks: dict  # number of the target: [Check]
    runs: dict  # way: [figures of each round]
    plots: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def column(runs, name):
    """=> one figure of all runs"""
    return [run[name] for run in runs]


def median(runs, name):
    return statistics.median(column(runs, name))


def rows(runs, names, labels=None):
    """=> the rows of a plot of these figures"""
    return {(labels or {}).get(name, name): {
        way: column(done, name) for way, done in runs.items()}
        for name in names}


def ratio_check(label, runs, name, ways, bound, **options):
    """=> how one figure of the first way relates to that of the second"""
    first, second = (median(runs[way], name) for way in ways)
    form = options.pop('form', '%.1f')
    return Check(label, first / second, bound,
                 '%s %s, %s %s' % (ways[0], form % first, ways[1],
                                   form % second), **options)
