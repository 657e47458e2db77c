"""cases_dedup.py: equal pages of one user are stored once."""

import threading

from harness import MIB, Run, check, wait_for

CASES = {}
LIMIT = 8 * MIB
WANTS = 32  # MiB
PAGES = WANTS * MIB // 4096
MOST = PAGES * 85 // 100
FEW = PAGES * 15 // 100


class Twin:
    """A program with the same contents as its twins, held when it has them."""

    def __init__(self, live, daemon, go, user=False):
        self.go = go
        self.ready = threading.Event()
        self.run = Run(live, [live.prog('steady'), str(WANTS), '0'],
                       limit=LIMIT, daemon=daemon, hold=self.at_hold,
                       user=user)

    def at_hold(self, name, pid):
        del name, pid
        self.ready.set()
        self.go.wait(240)

    def await_ready(self):
        wait_for('the program to be full', lambda: self.ready.is_set() or
                 self.run.proc.poll() is not None, 120)
        check(self.ready.is_set(), 'it ended: %s' % self.run.stderr())


def push_out(daemon):
    """=> (stored pages, pages saved, pages deduplicated)"""
    for group in daemon.groups():
        daemon.call('Reclaim', group=group['name'], bytes=WANTS * MIB)
    out = [group['out'] // 4096 for group in daemon.groups()]
    check(min(out) >= MOST, 'pages out: %s of %d each' % (out, PAGES))
    daemon.check_model()
    stats = daemon.call('GetStats')
    figures = (stats['store']['pages'], stats['store']['saved'],
               stats['counters']['pages_deduplicated'])
    print('pages out: %s; stored %d, saved %d, deduplicated %d' % (
        (out,) + figures), flush=True)
    return figures


def twins(live):
    """Two programs of one user share what is stored, one of another not."""
    daemon = live.daemon()
    go = threading.Event()
    programs = [Twin(live, daemon, go), Twin(live, daemon, go)]
    try:
        for program in programs:
            program.await_ready()
        stored, saved, shared = push_out(daemon)
        check(stored <= PAGES + FEW, '%d pages stored, not %d' % (
            stored, PAGES))
        check(saved >= MOST, 'only %d pages saved of %d' % (saved, PAGES))
        check(shared >= saved, 'only %d pages shared' % shared)
        programs.append(Twin(live, daemon, go, user=True))
        programs[2].await_ready()
        now_stored, now_saved, _ = push_out(daemon)
        check(now_stored >= stored + MOST, 'the other user has %d pages' % (
            now_stored - stored))
        check(now_saved <= saved + FEW, 'the other user shares %d pages' % (
            now_saved - saved))
    finally:
        go.set()
    for program in programs:
        program.run.wait(120)
        print('managed: %s' % program.run.line(), flush=True)
        check('every byte right' in program.run.stdout(), 'it said: %s %s' % (
            program.run.stdout(), program.run.stderr()))
    daemon.expect_idle()


CASES['dedup'] = ('live', 300, twins)
