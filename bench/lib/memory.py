"""memory.py: accesses to more memory than the budget (targets 3 to 7)."""

from .errors import Failed
from .figures import Outcome, Plot, median, ratio_check, rows
from .programs import a_cpu, on_cpu

PHASES = {
    'fill': 'first fill',
    'read_in_order': 'reads in order',
    'change_in_order': 'changes in order',
    'read_at_random': 'reads at random',
    'change_at_random': 'changes at random',
}
TARGETS = {  # number: (bound, phases)
    3: (0.6, ['read_at_random']),
    4: (0.75, ['change_at_random']),
    5: (0.5, ['read_in_order', 'change_in_order']),
    6: (0.9, ['fill']),
}
PINNED_BOUND = 1.0
CONTENDERS = ['pagerd', 'zram', 'swapfile', 'umap']


def touch(bench, contender, cpu):
    options = bench.options
    with contender.ready(options.limit) as place:
        figures = bench.measure(
            on_cpu(cpu) + place.words + [bench.program('touch')] +
            place.touch_options + [options.mib, bench.report, options.seed],
            place.env)
        summary = contender.summary()
    if summary is not None:
        if summary['evicted_pages'] <= 0:
            raise Failed('pagerd had nothing to do: %s' % summary)
        figures['summary'] = summary
    return figures


def beside_others(runs):
    """=> what is worth knowing of contenders that have no target"""
    notes = []
    for name in runs:
        if name in ('pagerd', 'zram'):
            continue
        ratios = ['%s %.2f' % (label, median(runs['pagerd'], phase) /
                               median(runs[name], phase))
                  for phase, label in PHASES.items()]
        notes.append('pagerd / %s: %s' % (name, ', '.join(ratios)))
    return notes


def compare(bench, what, contenders, cpu=None):
    bench.field.get('zram')  # without it there is nothing to say
    found = bench.field.those(contenders)
    runs = bench.interleave_contenders(
        what, found, lambda contender: touch(bench, contender, cpu))
    notes = ['without %s: %s' % missing for missing in
             bench.field.missing.items() if missing[0] in contenders]
    plot = Plot('%d MiB in %d: %s' % (bench.options.mib, bench.options.limit,
                                      what),
                'ns an access', rows(runs, PHASES, PHASES))
    return runs, plot, notes + beside_others(runs)


def check(runs, phase, bound):
    return ratio_check(PHASES[phase], runs, phase, ('pagerd', 'zram'), bound,
                       form='%.0f ns')


def anywhere(bench):
    runs, plot, notes = compare(bench, 'any CPU', CONTENDERS)
    checks = {number: [check(runs, phase, bound) for phase in phases]
              for number, (bound, phases) in TARGETS.items()}
    return Outcome(checks, runs, [plot], notes)


def pinned(bench):
    runs, plot, notes = compare(bench, 'all on one CPU', ['pagerd', 'zram'],
                                a_cpu())
    return Outcome({7: [check(runs, phase, PINNED_BOUND)
                        for phase in PHASES]}, runs, [plot], notes)


