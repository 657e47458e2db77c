"""page.py: one HTML page with the table of targets and bars, which needs
nothing else.
"""

import statistics
from html import escape

from . import report
from .targets import FAILED, MISSED, REACHED, UNMEASURED

CLASSES = {REACHED: 'yes', MISSED: 'no', UNMEASURED: 'none', FAILED: 'no'}
COLOURS = {'pagerd': '#1b6ca8', 'zram': '#d9822b', 'swapfile': '#8f6aa8',
           'umap': '#5c8a3a', 'plain': '#7d8590', 'minimal': '#7d8590',
           'lru': '#b0a040', 'opt': '#3a9a8a', 'one': '#7d8590',
           'clients': '#1b6ca8', 'threads': '#5fa8d3'}
OTHER = '#666666'

WIDTH, LEFT, RIGHT = 760, 150, 110  # of a picture, of its margins
BAR, GAP, TOP = 15, 12, 6

STYLE = '''
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em;
  margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.1em; margin: 2em 0 .3em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25em .6em; vertical-align: top;
  border-bottom: 1px solid #8884; }
td.figure { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.yes { color: #2a8a3e; } .no { color: #c93c37; font-weight: 600; }
.none, .detail { color: #808080; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.key { margin: 0 0 .3em; font-size: 13px; }
.key span { margin-right: 1.2em; }
.key b { display: inline-block; width: .8em; height: .8em;
  margin-right: .4em; }
'''


def colour(way):
    return COLOURS.get(way, OTHER)


def short(value):
    if value >= 1000:
        return '{:,.0f}'.format(value).replace(',', '\u202f')
    return '%.3g' % value


def bar(y, way, values, scale):
    """A bar as long as the median, a line from the least to the greatest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    centre = y + BAR / 2
    text = '%s: median %s, %s to %s' % (way, short(middle), short(low),
                                        short(high))
    return ('<g><title>%s</title>'
            '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>'
            '<path d="M%.1f %.1fH%.1f" stroke="currentColor"/>'
            '<text x="%.1f" y="%.1f">%s</text></g>' % (
                escape(text), LEFT, y, max(middle * scale, 1), BAR - 2,
                colour(way), LEFT + low * scale, centre - 1,
                LEFT + high * scale, LEFT + high * scale + 6, centre + 3,
                escape(short(middle))))


def greatest(plot):
    return max(max(values) for ways in plot.rows.values()
               for values in ways.values()) or 1


def picture(plot):
    scale = (WIDTH - LEFT - RIGHT) / greatest(plot)
    parts, y = [], TOP
    for label, ways in plot.rows.items():
        parts.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
            LEFT - 8, y + BAR * len(ways) / 2 + 3, escape(label)))
        for way, values in ways.items():
            parts.append(bar(y, way, values, scale))
            y += BAR
        y += GAP
    return '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>' % (
        WIDTH, y, escape(plot.title), ''.join(parts))


def key(plot):
    ways = dict.fromkeys(way for row in plot.rows.values() for way in row)
    return '<p class="key">%s</p>' % ''.join(
        '<span><b style="background:%s"></b>%s</span>' % (
            colour(way), escape(way)) for way in ways)


def section(plot):
    if not plot.rows:
        return ''
    return '<h2>%s</h2>%s%s' % (
        escape('%s (%s; %s is better)' % (
            plot.title, plot.unit,
            'less' if plot.lower_is_better else 'more')),
        key(plot), picture(plot))


def row(cells):
    return '<tr>%s</tr>' % ''.join(
        '<td%s>%s</td>' % (' class="%s"' % kind if kind else '', text)
        for kind, text in cells)


def check_row(check):
    kind, text = (('yes', 'reached') if check.reached else
                  ('no', 'NOT reached'))
    return row([('', ''), ('', '%s <span class="detail">%s</span>' % (
        escape(check.label), escape(check.detail))),
        ('figure', escape(check.value_text())),
        ('figure', escape(check.target_text())), (kind, text)])


def target_rows(verdict):
    target = verdict.target
    head = row([('', '%d' % target.number), ('', '<b>%s</b>, against %s %s' % (
        escape(target.what), escape(target.against),
        '<br><span class="detail">%s</span>' % escape(verdict.reason)
        if verdict.reason else '')), ('', ''), ('', ''),
        (CLASSES[verdict.state], '' if verdict.checks else verdict.state)])
    return head + ''.join(map(check_row, verdict.checks))


def table(verdicts):
    return ('<table><tr><th>#</th><th>target</th><th>measured</th>'
            '<th>to reach</th><th></th></tr>%s</table>' % ''.join(
                map(target_rows, verdicts)))


def about(options, machine):
    facts = [('%s: %s' % (name, value)) for name, value in machine.items()
             if value]
    return '<p class="detail">%s<br>%d MiB in %d MiB, median of %d.</p>' % (
        escape('; '.join(facts)), options['mib'], options['limit'],
        options['rounds'])


def notes(experiments):
    return '<ul>%s</ul>' % ''.join('<li>%s</li>' % escape(note)
                                   for note in report.notes_of(experiments))


def html(options, machine, experiments, verdicts):
    plots = [plot for each in experiments if each.outcome is not None
             for plot in each.outcome.plots]
    return '\n'.join([
        '<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        '<title>pagerd: benchmarks</title><style>%s</style></head><body>' %
        STYLE, '<h1>pagerd beside the kernel\'s own paging</h1>',
        '<p>Targets: %s.</p>' % report.tally(verdicts), table(verdicts),
        about(options, machine), notes(experiments), *map(section, plots),
        '</body></html>', ''])
