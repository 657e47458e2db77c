#!/usr/bin/env python3
"""pagerctl run with a daemon of its own."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess

import fake_server
import harness
from harness import PAGERCTL


class Private(harness.Case):
    def setUp(self):
        super().setUp()
        self.record_file = self.path("record")
        self.env["FAKE_DAEMON_RECORD"] = self.record_file
        self.env["PAGERCTL_SOCKET"] = ""
        self.option = ["--private"]

    def run_it(self, *args, **more):
        return self.ctl("run", *self.option, *args, **more)

    def record(self):
        with open(self.record_file, encoding="utf-8") as file:
            return json.load(file)

    def assert_ended(self, pid):
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        ready, _, _ = select.select([fd], [], [], harness.LIMIT_SECONDS)
        os.close(fd)
        self.assertTrue(ready, "it did not end")

    def assert_gone(self, record):
        """Neither the daemon, its keeper nor its directory is left."""
        self.assert_ended(record["pid"])
        self.assert_ended(record["parent"])
        self.assertFalse(os.path.exists(record["directory"]))

    def test_status_and_end(self):
        done = self.run_it("sh", "-c", "exit 3")
        self.assertEqual((done.returncode, done.stderr), (3, ""))
        self.assert_gone(self.record())

    def test_what_the_daemon_gets(self):
        keep = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, keep)
        self.env["PAGERD_GROUP"] = "f" * 32
        self.env["PAGERD_SOCKET"] = "/outer"
        done = self.run_it("--store", "ram:1G", "true", pass_fds=[keep])
        self.assertEqual(done.returncode, 0, done)
        seen = self.record()
        self.assertEqual(seen["argv"], [
            "--private", "--socket-dir", seen["directory"],
            "--log-level", "warning", "--store", "ram:1G"])
        env = seen["environment"]
        self.assertEqual(env["LISTEN_FDS"], "2")
        self.assertEqual(env["LISTEN_FDNAMES"], "client:control")
        self.assertEqual(env["LISTEN_PID"], str(seen["pid"]))
        self.assertNotIn("PAGERD_GROUP", env)
        self.assertNotIn("PAGERD_SOCKET", env)
        self.assertEqual(seen["session"], os.getsid(0))
        self.assertEqual(seen["group"], seen["pid"])
        self.assertEqual(seen["keeper_descriptors"], [])
        self.assertEqual(set(seen["descriptors"]), set("01234"))
        self.assertEqual(seen["descriptors"]["0"], "/dev/null")
        self.assertEqual(seen["descriptors"]["1"], "/dev/null")
        self.assertEqual(seen["mode_directory"], 0o711)
        self.assertEqual(seen["mode_client"], 0o666)
        self.assertEqual(seen["mode_control"], 0o600)
        self.assertEqual(seen["client_type"], socket.SOCK_SEQPACKET)
        self.assertEqual(seen["control_type"], socket.SOCK_STREAM)
        self.assertEqual(seen["blocked"], [])

    def test_the_command_does_not_see_how_it_was_started(self):
        done = self.run_it("env")
        self.assertNotIn("LISTEN_", done.stdout)
        self.assertIn("PAGERD_GROUP=", done.stdout)

    def test_without_store(self):
        self.run_it("true")
        self.assertNotIn("--store", self.record()["argv"])

    def test_its_store_is_the_only_one(self):
        """The fake daemon records no calls: it refuses what it is not told."""
        self.env["FAKE_DAEMON_MODE"] = "one-store"
        done = self.run_it("--store", "ram:1G", "true")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_running_daemon_is_left_alone(self):
        server = self.serve()
        self.assertEqual(self.run_it("true").returncode, 0)
        self.assertEqual(server.calls, [])

    def test_used_when_no_daemon_runs(self):
        if os.path.exists("/run/pagerd/control"):
            self.skipTest("a daemon runs here")
        self.option = []
        self.assertEqual(self.run_it("true").returncode, 0)
        self.assert_gone(self.record())

    def test_the_users_own_daemon_comes_first(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to be another user")
        os.chmod(self.dir, 0o777)
        os.mkdir(self.path("pagerd"), 0o755)
        path = self.path("pagerd/control")
        server = fake_server.FakeServer(fake_server.listen(path))
        self.addCleanup(server.close)
        os.chmod(path, 0o666)
        self.env["XDG_RUNTIME_DIR"] = self.dir
        program = shutil.copy(PAGERCTL, self.path("pagerctl"))
        done = subprocess.run(
            [program, "list"], env=self.env, user=65534, group=65534,
            extra_groups=[], capture_output=True, text=True, check=False,
            timeout=harness.LIMIT_SECONDS)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(server.calls), 2)

    def test_an_unprivileged_run_uses_its_runtime_directory(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to be another user")
        os.chmod(self.dir, 0o777)
        for name in ("fake_daemon.py", "fake_server.py"):
            shutil.copy(os.path.join(harness.HERE, name), self.path(name))
        self.env.update(
            XDG_RUNTIME_DIR=self.dir, PATH="/usr/bin:/bin",
            PAGERD_DAEMON=self.path("fake_daemon.py"),
            PAGERD_PRELOAD=shutil.copy(harness.PRELOAD,
                                       self.path("preload.so")))
        program = shutil.copy(PAGERCTL, self.path("pagerctl"))
        if not os.access("/usr/bin/python3", os.X_OK):
            self.skipTest("no python3 that another user may run")
        done = subprocess.run(
            [program, "run", "--private", "true"], env=self.env, user=65534,
            group=65534, extra_groups=[], capture_output=True, text=True,
            check=False, timeout=harness.LIMIT_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        record = self.record()
        self.assertTrue(record["directory"].startswith(self.dir + "/pagerd."))
        self.assert_gone(record)

    def test_a_daemon_that_cannot_start(self):
        self.env["FAKE_DAEMON_MODE"] = "die"
        done = self.run_it("true")
        self.assertEqual(done.returncode, 125)
        self.assertEqual(
            done.stderr, "pagerd: it cannot start: this is a test\n")
        self.assert_gone(self.record())

    def test_no_daemon_to_start(self):
        self.env["PAGERD_DAEMON"] = self.path("absent")
        self.refused("run", "--private", "true", has="absent")
        broken = self.write("broken", "#!/nonexistent/interpreter\n")
        self.env["PAGERD_DAEMON"] = broken
        self.refused("run", "--private", "true", has="No such file")

    def test_a_daemon_that_refuses(self):
        self.env["FAKE_DAEMON_MODE"] = "refuse"
        self.refused("run", "--private", "--limit", "1M", "true",
                     has="the least is 8.0M")
        self.assert_gone(self.record())

    def test_a_daemon_that_dies_on_the_way(self):
        self.env["FAKE_DAEMON_MODE"] = "abort"
        done = self.run_it("sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3)
        self.assertIn("hung up", done.stderr)
        self.assert_gone(self.record())

    def test_pagerctl_is_killed(self):
        process = subprocess.Popen(
            [PAGERCTL, "run", "--private", "sh", "-c",
             "echo ready; exec sleep 1000"],
            env=self.env, stdout=subprocess.PIPE, text=True,
            start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.kill()
        process.wait(harness.LIMIT_SECONDS)
        self.assert_gone(self.record())
        os.killpg(process.pid, signal.SIGKILL)  # what it ran

    def test_a_directory_left_behind_is_removed(self):
        self.env["FAKE_DAEMON_MODE"] = "stale"
        self.assertEqual(self.run_it("true").returncode, 0)
        self.assert_gone(self.record())

    def test_not_waited_for_while_processes_remain(self):
        self.env["FAKE_DAEMON_MODE"] = "count"
        self.assertEqual(self.run_it("true").returncode, 0)
        self.assert_gone(self.record())

    def test_the_first_connection_is_pagerctls(self):
        # The fake ends with its first connection: had another one come
        # before, the summary would fail.
        done = self.run_it("--summary", "true")
        self.assertIs(json.loads(done.stderr)["managed"], True)

    def test_no_directory_without_need(self):
        before = {d for d in os.listdir("/tmp") if d.startswith("pagerd.")}
        self.refused("run", "--private", "no-such-program", status=127)
        after = {d for d in os.listdir("/tmp") if d.startswith("pagerd.")}
        self.assertLessEqual(after, before)
        self.assertFalse(os.path.exists(self.record_file))

    def test_a_signal_before_the_command_starts(self):
        # The daemon is a fifo's reader: it holds pagerctl up until the
        # signal is there.
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        slow = self.write(
            "slow", f"#!/bin/sh\nread line <{fifo}\n"
            f"exec {harness.FAKE_DAEMON} \"$@\"\n")
        self.env["PAGERD_DAEMON"] = slow
        # LISTEN_PID stays right: sh becomes the daemon.
        process = subprocess.Popen(
            [PAGERCTL, "run", "--private", "touch", self.path("ran")],
            env=self.env)
        with open(fifo, "w", encoding="utf-8") as out:
            process.send_signal(signal.SIGINT)
            out.write("go\n")
        self.assertEqual(process.wait(harness.LIMIT_SECONDS),
                         128 + signal.SIGINT)
        self.assertFalse(os.path.exists(self.path("ran")))
        self.assert_gone(self.record())


if __name__ == "__main__":
    harness.main()
