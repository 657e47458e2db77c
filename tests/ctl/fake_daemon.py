#!/usr/bin/env python3
"""Stands for `pagerd --private` in tests of `pagerctl run`.

Environment: FAKE_DAEMON_RECORD names the file that gets what it saw at its
start, FAKE_DAEMON_MODE is one of
    (none)   serve until the first control connection has ended, clean up
    die      say one line and exit before answering
    stale    as (none), but leave the directory behind
    abort    kill itself at the second call
    refuse   answer CreateGroup with LimitTooSmall
    count    answer GetGroup with one space left
    one-store  answer CreateGroup with NoSuchStore if a store is named
"""

import json
import os
import shutil
import signal
import socket
import stat
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_server  # noqa: E402


def open_descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            pass  # the one that was listing
    return found


def keeper_descriptors():
    """None, once it has got there: nothing tells when."""
    for _ in range(1000):
        found = os.listdir(f"/proc/{os.getppid()}/fd")
        if not found:
            break
        time.sleep(0.01)
    return found


def record(directory, descriptors):
    def mode(path):
        return stat.S_IMODE(os.stat(path).st_mode)

    seen = {
        "argv": sys.argv[1:],
        "environment": dict(os.environ),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "keeper_descriptors": keeper_descriptors(),
        "session": os.getsid(0),
        "group": os.getpgrp(),
        "descriptors": descriptors,
        "directory": directory,
        "mode_directory": mode(directory),
        "mode_client": mode(os.path.join(directory, "client")),
        "mode_control": mode(os.path.join(directory, "control")),
        "client_type": socket.socket(fileno=os.dup(3)).type,
        "control_type": socket.socket(fileno=os.dup(4)).type,
        "blocked": [int(s) for s in signal.pthread_sigmask(
            signal.SIG_BLOCK, [])],
    }
    with open(os.environ["FAKE_DAEMON_RECORD"], "w",
              encoding="utf-8") as out:
        json.dump(seen, out)


def create_group(parameters):
    if "store" in parameters:
        return fake_server.Error("org.pagerd.NoSuchStore", store="x",
                                 stores=["default"])
    return fake_server.DEFAULTS["CreateGroup"]


CHANGED = {
    "one-store": {"CreateGroup": create_group},
    "refuse": {"CreateGroup": fake_server.Error(
        "org.pagerd.LimitTooSmall", minimum=8 << 20)},
    "count": {"GetGroup": {"group": fake_server.group(spaces=1)}},
}


def main():
    descriptors = open_descriptors()
    mode = os.environ.get("FAKE_DAEMON_MODE", "")
    directory = sys.argv[sys.argv.index("--socket-dir") + 1]
    record(directory, descriptors)
    if mode == "die":
        print("pagerd: it cannot start: this is a test", file=sys.stderr)
        sys.exit(1)
    server = fake_server.FakeServer(
        socket.socket(fileno=4), CHANGED.get(mode),
        1 if mode == "abort" else None)
    server.first_ended.wait()
    if mode != "stale":
        shutil.rmtree(directory)


main()
