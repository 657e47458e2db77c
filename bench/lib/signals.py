"""signals.py: we are told to stop, and still clean up.

A signal raises Stopped wherever we are; what was set up is then undone by the
`with` statements and `finally` clauses on the way out, and no further signal
disturbs that.  Between taking something and having noted that it must be given
back there must be no such exception: held() postpones it.
"""

import contextlib
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(BaseException):
    """Not an Exception: nobody catches it by mistake."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


class State:
    held = 0
    pending = None


def stop(number):
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def on_signal(number, _frame):
    if State.held:
        State.pending = number
    else:
        stop(number)


def catch():
    """What was ignored, by nohup for example, still is."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, on_signal)


@contextlib.contextmanager
def held():
    State.held += 1
    try:
        yield
    finally:
        State.held -= 1
    if not State.held and State.pending is not None:
        stop(State.pending)
