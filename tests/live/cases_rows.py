"""cases_rows.py: the calls of MINIX's VM server, and who may make them."""

import json

from cases_daemon import Steady, at_work
from cases_snapshot import ctl
from harness import MIB, check, wait_for

CASES = {}
LIMIT = 16 * MIB


def add(name):
    """Registers the function as a case of that name."""
    def register(function):
        CASES[name] = ('live', 300, function)
        return function
    return register


@add('vm-calls')
def calls(live):
    """What programs notice: rows.c names the calls."""
    live.both([live.prog('rows'), '24'], 8 * MIB, live.daemon())


def check_latencies(service, wait, faults_missing, faults_wp, faults_gone,
                    **_):
    """What the daemon says of faults while its client goes on."""
    resolved = service['count']
    check(0 < resolved == wait['count'] and
          resolved + faults_gone <= faults_missing + faults_wp,
          '%d faults resolved of %d and %d, and %d waited' % (
              resolved, faults_missing, faults_wp, wait['count']))
    for times in (service, wait):
        check(sum(b['count'] for b in times['buckets']) == times['count'] and
              0 < times['p50_ns'] <= times['p99_ns'] <= times['max_ns'],
              'it says: %s' % times)
    check(service['mean_ns'] <= wait['mean_ns'],
          'longer served (%d ns) than waited for (%d ns)' % (
              service['mean_ns'], wait['mean_ns']))


@add('vm-info')
def info(live):
    """VM_INFO, VM_GETRUSAGE, map_printregion: of one process, and of all."""
    with at_work(live) as (daemon, client):
        client.await_rounds(1)
        pid = str(client.pid)
        show = json.loads(ctl(daemon, '--json', 'show', pid))
        check(show['space']['faults'] > 0 and show['space']['out'] > 0,
              'it says: %s' % show)
        regions = json.loads(ctl(daemon, '--json', 'regions', pid))['regions']
        check(any(r['out'] > 0 for r in regions), 'it says: %s' % regions)
        stats = json.loads(ctl(daemon, '--json', 'stats'))
        check(stats['usage']['total'] >= show['space']['resident'],
              'it says: %s' % stats)
        check_latencies(**stats['latency'], **stats['counters'])


@add('vm-notify-sig')
def ended(live):
    """VM_NOTIFY_SIG, VM_WATCH_EXIT: an end is noticed, by nobody's asking."""
    daemon = live.daemon()
    client = Steady(live, daemon, 'client').await_ready()
    client.kill()
    wait_for('the space to be gone',
             lambda: daemon.call('ListSpaces')['spaces'] == [])
    client.expect_killed()
    daemon.expect_idle()


@add('vm-acl')
def acl(live):
    """acl.c, VM_RS_SET_PRIV: what is root's, others may not even see."""
    refusals = ('yours', "another user's", 'may see')
    with at_work(live) as (daemon, client):
        pid = str(client.pid)
        for words in (('show', pid), ('regions', pid), ('map', pid),
                      ('snapshot', pid, 'mine'), ('limit', 'run-1', '32M')):
            said = ctl(daemon, *words, status=125, user=True)
            check(any(x in said for x in refusals), 'it says: %s' % said)
        check('run-1' not in ctl(daemon, 'list', user=True), 'it is listed')


@add('map-sanitycheck-pt')
def page_tables(live):
    """The model is what the kernel's page tables say, while it runs."""
    with at_work(live) as (daemon, _):
        for _ in range(20):
            done = daemon.call('Check')
            check(done['problems'] == 0 and done['pages'] > 0,
                  'it says: %s' % done)
