"""service.py: one missing page, beside the least that a userfaultfd can do
(target 2).
"""

from .errors import Failed
from .figures import Outcome, Plot, ratio_check, rows
from .programs import a_cpu, on_cpu

LIMIT_MIB = 512
# Of the limit: adoption begins at 0.75 of it, eviction at 0.95.
BALLAST = 0.80
TOUCHED = 0.12


def measure(bench):
    mib = int(LIMIT_MIB * TOUCHED)
    pagerd = bench.field.get('pagerd')
    pin = on_cpu(a_cpu())

    def adopted():
        with pagerd.ready(LIMIT_MIB) as place:
            figures = bench.measure(
                pin + place.words + [bench.program('zerofill'),
                                     int(LIMIT_MIB * BALLAST), mib,
                                     bench.report])
            figures['summary'] = pagerd.summary()
        if figures['summary']['evicted_pages'] > 0:
            raise Failed('pages were evicted, which was not to be measured')
        return figures

    def minimal():
        return bench.measure(pin + [bench.program('minuffd'), mib,
                                    bench.report])

    runs = bench.interleave('one fault', {'pagerd': adopted,
                                          'minimal': minimal})
    check = ratio_check('zero fill at random', runs, 'zero_fill',
                        ('pagerd', 'minimal'), 1.15, form='%.0f ns')
    return Outcome({2: [check]}, runs, [
        Plot('First touch of a page, on one CPU', 'ns',
             rows(runs, ['zero_fill'], {'zero_fill': 'at random'}))])
