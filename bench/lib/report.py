"""report.py: the table of targets, and everything as JSON."""

from .targets import FAILED, UNMEASURED

WIDTHS = '%-3s %-38s %12s %10s  %s'


def lines_of(verdict):
    """=> the rows of the table for one target"""
    target = verdict.target
    head = '%-3d %s, against %s' % (target.number, target.what,
                                    target.against)
    if verdict.state in (UNMEASURED, FAILED):
        return ['%s: %s' % (head, verdict.state)] + [
            '      ' + line for line in verdict.reason.splitlines()]
    return [head] + [
        WIDTHS % ('', '  ' + check.label, check.value_text(),
                  check.target_text(),
                  ('reached' if check.reached else 'NOT reached') +
                  ('  (%s)' % check.detail if check.detail else ''))
        for check in verdict.checks]


def notes_of(experiments):
    found = []
    for each in experiments:
        found += ['%s: the OOM killer struck %s in %d runs, which do not '
                  'count' % (each.name, way, times)
                  for way, times in each.repeated.items()]
        if each.outcome is not None:
            found += ['%s: %s' % (each.name, note)
                      for note in each.outcome.notes]
    return found


def tally(verdicts):
    counts = {}
    for verdict in verdicts:
        counts[verdict.state] = counts.get(verdict.state, 0) + 1
    return ', '.join('%d %s' % (count, state)
                     for state, count in counts.items())


def print_end(experiments, verdicts):
    for note in notes_of(experiments):
        print(note)
    print('targets: ' + tally(verdicts))


def as_json(options, machine, experiments, verdicts):
    return {'machine': machine, 'options': options,
            'targets': [verdict.as_json() for verdict in verdicts],
            'experiments': [each.as_json() for each in experiments]}
