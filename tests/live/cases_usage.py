"""cases_usage.py: what pages cost, and who shares them, as pagerctl says."""

import json
import subprocess

from harness import MIB, Run, check, children_of

CASES = {}
LIMIT = 8 * MIB
WANTS = 16  # MiB
PAGE = 4096


class Look:
    """What `pagerctl show` says of a parent and its child, and `stats`."""

    def __init__(self, live, daemon, parent):
        def ask(*command):
            done = subprocess.run(
                [live.path('src/ctl/pagerctl'), '--socket', daemon.control,
                 '--json', *command], env=live.env, stdout=subprocess.PIPE,
                timeout=60, check=True)
            return json.loads(done.stdout)

        child, = children_of(parent)
        for group in daemon.groups():
            daemon.call('Reclaim', group=group['name'], bytes=2 * WANTS * MIB)
        self.spaces = [ask('show', str(pid))['space']
                       for pid in (parent, child)]
        self.stats = ask('stats')
        regions = ask('regions', str(parent))['regions']
        for name in ('total', 'common', 'out', 'proportional'):
            both = (sum(r[name] for r in regions), self.spaces[0][name])
            check(abs(both[0] - both[1]) <= MIB,
                  '%s: regions %d, show %d' % ((name,) + both))
        print(self.text(), flush=True)

    def sum(self, name):
        return sum(space[name] for space in self.spaces)

    def text(self):
        names = ('resident', 'out', 'common', 'proportional', 'stored')
        lines = ['%s: %s KiB' % (name, ' + '.join(
            str(space[name] // 1024) for space in self.spaces))
            for name in names]
        return '\n'.join(lines + ['store: %s' % self.stats['store']])

    def expect_parts(self):
        """The parts of both are what is stored."""
        out = self.sum('proportional') - self.sum('resident')
        stored = self.stats['store']['pages'] * PAGE
        check(abs(out - stored) <= MIB + self.sum('clean'),
              'parts of %d bytes, of %d that are stored' % (out, stored))
        for name, total in (('proportional', self.stats['usage']),
                            ('stored', self.stats['usage'])):
            check(abs(self.sum(name) - total[name]) <= MIB,
                  '%s: %d, of all %d' % (name, self.sum(name), total[name]))
        payload = self.stats['store']['stored']
        check(0.5 * payload <= self.sum('stored') <= 1.1 * payload,
              '%d bytes in the store, of %d' % (self.sum('stored'), payload))


def usage(live):
    """A child shares what its parent has out until it writes."""
    daemon = live.daemon()
    looks = {}

    def hold(name, pid):
        looks[name] = Look(live, daemon, pid)

    run = Run(live, [live.prog('forks'), 'usage', str(WANTS)], limit=LIMIT,
              daemon=daemon, hold=hold)
    run.wait(120)
    print('managed: %s' % run.line(), flush=True)
    check('every byte right' in run.stdout(), 'it said: %s %s' % (
        run.stdout(), run.stderr()))
    before, after = looks['forked'], looks['written']
    for look in (before, after):
        look.expect_parts()
    for space in before.spaces:
        check(space['common'] >= WANTS * MIB / 4,
              'only %d bytes in common' % space['common'])
        check(space['proportional'] <= space['total'] - space['common'] / 4,
              'proportional %d of %d' % (space['proportional'],
                                         space['total']))
    check(after.sum('common') <= before.sum('common') / 8,
          '%d bytes in common after the write' % after.sum('common'))
    summary = run.summary()
    check(summary['stored_bytes'] > 0 and summary['ratio'] > 1,
          'the summary: %s' % summary)
    print('stored %(stored_pages)d pages in %(stored_bytes)d bytes, ratio '
          '%(ratio).2f' % summary, flush=True)
    daemon.expect_idle()


CASES['usage'] = ('live', 180, usage)
