"""cases_stores.py: stores that have names and tiers, and groups in them."""

import json

from cases_daemon import Steady
from cases_snapshot import ctl
from harness import MIB, check, wait_for

CASES = {}
LIMIT = 16 * MIB
CONFIG = ('store = ram:256M\n'
          '[store ram]\nspec = ram:64M\n'
          '[store null]\nspec = null:256M\n'
          '[store tiered]\nspec = ram:8M,\n  null:512M\n')


def add(name):
    """Registers the function as a case of that name."""
    def register(function):
        CASES[name] = ('live', 300, function)
        return function
    return register


def tiers(daemon):
    """What pagerctl says of each, by NAME/TIER."""
    stores = json.loads(ctl(daemon, 'stores', '--json'))['stores']
    return {'%s/%d' % (s['name'], s['tier']): s for s in stores}


def pages(daemon):
    return {name: tier['pages'] for name, tier in tiers(daemon).items()}


def program(live, daemon, store):
    """One that works, in a group whose pages go to that store."""
    return Steady(live, daemon, store, run_options=[
        '--store', store, '--group', 'in-' + store]).await_ready()


def print_table(daemon):
    """The table says what the daemon does, now."""
    text = ctl(daemon, 'stores')
    print(text, flush=True)
    lines = [line.split() for line in text.splitlines()]
    check([line[0] for line in lines] == [
        'NAME', 'default', 'ram', 'null', 'tiered', 'tiered'], text)
    check(all(len(line) == 12 for line in lines), text)
    return lines


@add('stores-named')
def named(live):
    """Each group's pages are in its store, and no other."""
    daemon = live.daemon(config=CONFIG)
    programs = [program(live, daemon, store) for store in ('ram', 'null')]
    for one in programs:
        one.await_rounds(1)
    found = pages(daemon)
    print(found, flush=True)
    check(found['ram/0'] > 0 and found['null/0'] > 0, 'nothing is there')
    check(sum(found.values()) == found['ram/0'] + found['null/0'],
          'pages are elsewhere')
    busy = print_table(daemon)[2:4]
    check(all(int(line[7]) > 0 and int(line[8]) > 0 for line in busy),
          'no rates: %s' % busy)
    groups = {g['name']: g['store'] for g in daemon.groups()}
    check(groups == {'in-ram': 'ram', 'in-null': 'null'},
          'groups: %s' % groups)
    check('STORE' in ctl(daemon, 'list'), 'list does not tell')
    for one in programs:
        one.finish(daemon)
    daemon.expect_idle()


@add('stores-refused')
def refused(live):
    """What names no store gets no group, and the next one does."""
    daemon = live.daemon(config=CONFIG)
    for spec in ('tierd', 'ram:1G', ''):
        said = ctl(daemon, 'run', '--store', spec, 'true', status=125)
        for word in ('default, ram, null, tiered', '--private'):
            check(word in said, 'it says: %s' % said)
    check(daemon.groups() == [], 'a group was made')
    said = ctl(daemon, 'drain', 'ram', status=125)
    check("no other tier of 'ram'" in said, 'it says: %s' % said)
    said = ctl(daemon, 'drain', 'tiered/2', status=125)
    check('tiered/0, tiered/1' in said, 'it says: %s' % said)
    said = ctl(daemon, 'drain', 'tiered', status=125, user=True)
    check('only root' in said, 'it says: %s' % said)
    ctl(daemon, 'run', '--store', 'tiered', 'true')
    daemon.expect_idle()


@add('stores-tiered')
def tiered(live):
    """What is cold goes down, and comes back, while programs change maps."""
    daemon = live.daemon(config=CONFIG)
    options = ['--store', 'tiered']
    for words in (('memops', 'mremap-move'), ('forks', 'halves')):
        live.both([live.prog(words[0]), words[1], '64'], LIMIT, daemon,
                  run_options=options)
    found = tiers(daemon)
    print({name: (t['demoted'], t['promoted']) for name, t in found.items()},
          flush=True)
    check(found['tiered/0']['demoted'] > 0, 'nothing went down')
    check(found['tiered/1']['promoted'] > 0, 'nothing came up')
    check(found['tiered/0']['used'] <= 8 * MIB, 'too large')
    live.managed([live.prog('memops'), 'munmap', '64'], LIMIT, None,
                 private=True, run_options=['--store', 'ram:8M,null:512M'])


def check_empty(daemon, name):
    """It has nothing, and gets nothing."""
    tier = tiers(daemon)[name]
    check(tier['draining'] and tier['pages'] == 0, 'it has: %s' % tier)


@add('stores-drain')
def drain(live):
    """Each tier is emptied while a program works, and used again."""
    daemon = live.daemon(config=CONFIG)
    one = program(live, daemon, 'tiered')
    one.await_rounds(1)
    check(all(pages(daemon)['tiered/%d' % t] > 0 for t in (0, 1)),
          'pages: %s' % pages(daemon))
    for tier in ('tiered/0', 'tiered/1'):
        print(ctl(daemon, 'drain', tier))
        # The program's pages fit into no 8 MiB: what is not out leaves.
        if tier == 'tiered/1':
            check(tiers(daemon)[tier]['draining'], 'it is not drained')
            one.await_rounds(1)
        else:
            print(ctl(daemon, 'drain', '--wait', tier))
            check_empty(daemon, tier)
            one.await_rounds(2)
            check_empty(daemon, tier)
        daemon.check_model()
        ctl(daemon, 'drain', '--cancel', tier)
        wait_for('pages to come again',
                 lambda name=tier: pages(daemon)[name] > 0)
    one.finish()
    daemon.expect_idle()
