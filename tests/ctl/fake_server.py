"""A Varlink server that answers as org.pagerd does, from canned data.

It records the calls it gets.  A test overrides an answer by method name:
    server.answers["Check"] = {"spaces": 1, ...}
    server.answers["SetLimit"] = Error("org.pagerd.LimitTooSmall", minimum=8)
    server.answers["GetStats"] = RAW_GARBAGE or HANG_UP
"""

import json
import os
import signal
import socket
import threading

HANG_UP = object()
RAW_GARBAGE = object()
TOKEN = "0123456789abcdef0123456789abcdef"


class Error:
    def __init__(self, name, **parameters):
        self.name = name
        self.parameters = parameters


def group(**changes):
    g = {"id": 1, "name": "build", "uid": 1000, "limit": 2 << 30,
         "usage": 1 << 30, "peak": 3 << 29, "resident": 512 << 20,
         "out": 64 << 20, "stored": 16 << 20, "stored_pages": 15000,
         "stored_bytes": 15000 * 512, "faults": 1234,
         "evicted_pages": 20000, "refault_pages": 3616, "wait_us": 2500000,
         "spaces": 0, "adopted": True, "over": False, "over_events": 0}
    g.update(changes)
    return g


def space(**changes):
    s = {"id": 7, "pid": 4711, "uid": 1000, "command": "cc1",
         "group": "build", "agent": True, "regions": 3,
         "resident": 512 << 20, "out": 64 << 20, "clean": 4096,
         "foreign": -4096, "faults": 1234,
         "evicted_pages": 20000, "refault_pages": 3616, "zero_fills": 9}
    s.update(changes)
    return s


def usage(**changes):
    u = {"resident": 3 << 20, "out": 1 << 20, "clean": 8192,
         "total": 4 << 20, "common": 512 << 10, "shared": 4096,
         "proportional": 3840 << 10, "stored": 300 << 10}
    u.update(changes)
    return u


def latency(ns):
    return {"count": 4200, "mean_ns": ns, "p50_ns": ns // 3, "p90_ns": 2 * ns,
            "p99_ns": 4 * ns, "p999_ns": 40 * ns, "max_ns": 4000 * ns,
            "buckets": [{"upper_ns": 4000 * ns, "count": 4200}]}


def map_region(start, end, runs, **changes):
    """runs: pairs of a state and a number of pages"""
    r = {"id": 1, "start": start, "end": end, "memtype": "anon",
         "resident": 3 << 20, "out": 1 << 20, "clean": 0, "from": start,
         "runs": [{"state": state, "pages": pages} for state, pages in runs]}
    r.update(changes)
    return r


def shared(**changes):
    s = {"id": 1 << 62 | 1, "name": "index", "uid": 1000, "size": 64 << 20,
         "resident": 16 << 20, "out": 32 << 20, "maps": 2}
    s.update(changes)
    return s


def tier(**changes):
    t = {"name": "default", "tier": 0, "default": True, "kind": "ram",
         "spec": "ram:2G", "failing": False, "draining": False,
         "pages": 1000, "same_filled": 100, "incompressible": 10,
         "stored": 900000, "used": 1 << 20, "capacity": 2 << 30,
         "stored_pages": 5000, "loaded_pages": 4000, "errors": 0,
         "demoted": 0, "promoted": 0, "reads": 0, "read_bytes": 0,
         "writes": 0, "written_bytes": 0, "retries": 0, "moved": 0,
         "read": {**latency(0), "count": 0, "buckets": []},
         "write": {**latency(0), "count": 0, "buckets": []}}
    t.update(changes)
    return t


DEFAULTS = {
    "CreateGroup": {"group": group(), "token": TOKEN,
                    "client_socket": "/nonexistent/client"},
    "CloseGroup": {},
    "GetGroup": {"group": group()},
    "ListGroups": {"groups": [
        group(), group(id=2, name="big", limit=0, over=True)]},
    "ListShared": {"shared": [
        shared(), shared(name="evil\x1b[31m\n", uid=0, maps=0)]},
    "UnlinkShared": {},
    "ListStores": {"stores": [tier(), tier(
        name="swap", default=False, kind="nbd", spec="nbd://evil\x1b/",
        capacity=0, failing=True, errors=3, read=latency(95000))]},
    "DrainStore": {},
    "ListSpaces": {"spaces": [
        space(), space(id=8, pid=0, command="evil\x1b[31m\n", agent=False)]},
    "GetSpace": {"space": space(**usage()), "group": group()},
    "ListRegions": {"regions": [
        {"id": 1, "start": 0x7f0000000000, "end": 0x7f0000400000,
         "memtype": "anon", "evictable": True, **usage()}]},
    "MapSpace": {"regions": [
        map_region(0x7f0000000000, 0x7f0000400000, [
            ("resident", 700), ("compressed", 256), ("clean", 3),
            ("standby", 5)])], "next": None},
    "SetLimit": {},
    "Reclaim": {"bytes": 32 << 20},
    "GetStats": {"counters": {"faults_missing": 4242, "from_the_future": 5},
                 "latency": {"service": latency(3000),
                             "wait": latency(2_000_000_000)},
                 "store": {"name": "ram", "pages": 1000, "same_filled": 100,
                           "incompressible": 10, "saved": 77, "stored": 900000,
                           "used": 1024000, "capacity": 0},
                 "usage": usage(common=77 << 20), "metadata": 1 << 20,
                 "groups": 2, "spaces": 2},
    "Check": {"spaces": 2, "pages": 123, "problems": 0, "lines": []},
    "Diagnose": {"findings": [
        {"name": "store", "what": "ok", "text": "ram"},
        {"name": "memlock", "what": "warning", "text": "not locked",
         "advice": "raise LimitMEMLOCK"}]},
    "SetLogLevel": {},
    "GetVersion": {"version": "9.8.7", "pid": 321, "private": False},
}


def read_message(connection):
    """The next message, or None when the other side has hung up."""
    data = b""
    while not data.endswith(b"\0"):
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    return json.loads(data[:-1])


class FakeServer:
    def __init__(self, listener, changed=None, abort_after=None):
        self.listener = listener
        self.answers = {**DEFAULTS, **(changed or {})}
        self.abort_after = abort_after  # so many calls: kill this process
        self.calls = []
        self.first_ended = threading.Event()
        self.connections = []
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(
                target=self.serve, args=(connection,), daemon=True)
            self.connections.append(connection)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        with connection:
            try:
                while self.answer(connection):
                    pass
            except OSError:
                pass
        self.first_ended.set()

    def answer(self, connection):
        call = read_message(connection)
        if call is None:
            return False
        if len(self.calls) == self.abort_after:
            os.kill(os.getpid(), signal.SIGKILL)
        method = call["method"].rpartition(".")[2]
        self.calls.append((method, call.get("parameters", {})))
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer(call["parameters"])
        if answer is HANG_UP:
            return False
        if answer is RAW_GARBAGE:
            connection.sendall(b"this is no JSON\0")
            return True
        if answer is None:
            answer = Error("org.varlink.service.MethodNotFound",
                           method=call["method"])
        if isinstance(answer, Error):
            reply = {"error": answer.name, "parameters": answer.parameters}
        else:
            reply = {"parameters": answer}
        # In two pieces: a client has to put them together.
        data = json.dumps(reply).encode() + b"\0"
        connection.sendall(data[:7])
        connection.sendall(data[7:])
        return True

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(10)


def listen(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    listener.listen()
    return listener
