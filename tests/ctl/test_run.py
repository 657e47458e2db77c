#!/usr/bin/env python3
"""pagerctl run with a daemon that runs already."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys

import fake_server
import harness
from harness import PAGERCTL, PRELOAD

COUNTER = r"""#!/usr/bin/env python3
import os, signal
count = 0
def one(*_):
    global count
    count += 1
    os.write(1, b"signal\n")
def end(*_):
    os.write(1, b"count %d\n" % count)
    os._exit(7)
signal.signal(signal.SIGINT, one)
signal.signal(signal.SIGTERM, one)
signal.signal(signal.SIGHUP, one)
signal.signal(signal.SIGCONT, lambda *_: os.write(1, b"continued\n"))
signal.signal(signal.SIGUSR1, end)
print("ready", flush=True)
while True:
    signal.pause()
"""


class Status(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def status(self, *args):
        done = self.ctl("run", *args)
        self.assertEqual(done.stderr, "", args)
        return done.returncode

    def test_exit_statuses(self):
        self.assertEqual(self.status("true"), 0)
        self.assertEqual(self.status("--", "false"), 1)
        for n in (3, 125, 126, 127, 255):
            self.assertEqual(self.status("sh", "-c", f"exit {n}"), n)

    def test_death_by_signal(self):
        for sig in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
            self.assertEqual(
                self.status("sh", "-c", f"kill -{int(sig)} $$"), 128 + sig)

    def test_not_found(self):
        self.refused("run", "no-such-program", has="not found", status=127)
        self.refused("run", self.path("absent"), has="not found",
                     status=127)
        self.refused("run", "", has="not found", status=127)
        self.assertEqual(self.server.calls, [])

    def test_not_executable(self):
        plain = self.write("plain", "#!/bin/sh\n", mode=0o644)
        self.refused("run", plain, has="Permission denied", status=126)
        self.refused("run", self.dir, has="Permission denied", status=126)
        self.env["PATH"] = self.dir
        self.refused("run", "plain", has="Permission denied", status=126)
        self.assertEqual(self.server.calls, [])

    def test_a_script_without_its_interpreter(self):
        script = self.write("script", "#!/nonexistent/interpreter\n")
        self.refused("run", script, has="No such file", status=127)

    def test_a_script_without_first_line(self):
        script = self.write("script", "exit 9\n")
        self.assertEqual(self.status(script), 9)

    def test_path_is_searched(self):
        self.write("tool", "#!/bin/sh\nexit 4\n")
        self.env["PATH"] = "/nonexistent:" + self.dir + ":/bin:/usr/bin"
        self.assertEqual(self.status("tool"), 4)

    def test_options_of_the_command_are_its_own(self):
        done = self.ctl("run", "echo", "--json", "--help", "--limit")
        self.assertEqual(done.stdout, "--json --help --limit\n")

    def test_sigchld_ignored_by_the_caller(self):
        done = self.ctl("run", "sh", "-c", "exit 5", preexec_fn=lambda:
                        signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.returncode, 5)


class Environment(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def environment(self, *options):
        done = self.ctl("run", *options, "env", "-0")
        self.assertEqual(done.returncode, 0, done)
        return dict(line.split("=", 1)
                    for line in done.stdout.split("\0") if line)

    def test_variables(self):
        env = self.environment()
        self.assertEqual(env["LD_PRELOAD"], PRELOAD)
        self.assertEqual(env["PAGERD_SOCKET"], "/nonexistent/client")
        self.assertEqual(env["PAGERD_GROUP"], fake_server.TOKEN)

    def test_preload_is_prepended(self):
        other = shutil.copy(PRELOAD, self.path("other.so"))
        self.env["LD_PRELOAD"] = other
        self.assertEqual(
            self.environment()["LD_PRELOAD"], PRELOAD + ":" + other)

    def test_a_nested_run_preloads_once(self):
        self.env["LD_PRELOAD"] = PRELOAD
        self.env["PAGERD_GROUP"] = "f" * 32
        env = self.environment()
        self.assertEqual(env["LD_PRELOAD"], PRELOAD)
        self.assertEqual(env["PAGERD_GROUP"], fake_server.TOKEN)

    def test_group_and_limit(self):
        self.environment("--limit", "1G", "--group", "mine")
        self.assertEqual(self.server.calls[0], ("CreateGroup", {
            "name": "mine", "limit": 1 << 30, "ephemeral": True}))
        self.server.calls.clear()
        self.environment()
        self.assertEqual(self.server.calls, [("CreateGroup", {
            "limit": 0, "ephemeral": True})])

    def test_descriptors_and_streams_are_the_commands(self):
        done = subprocess.run(
            [PAGERCTL, "run", "sh", "-c",
             "cat; ls /proc/self/fd | tr '\\n' ' ' >&2"],
            env=self.env, input="text", capture_output=True, text=True,
            timeout=harness.LIMIT_SECONDS, check=False)
        self.assertEqual(done.stdout, "text")
        self.assertEqual(done.stderr, "0 1 2 3 ")  # 3: the directory

    def test_closed_streams_stay_closed(self):
        script = 'exec "$0" run sh -c \'ls /proc/self/fd\' <&- 2>&-'
        done = subprocess.run(
            ["sh", "-c", script, PAGERCTL], env=self.env, check=True,
            timeout=harness.LIMIT_SECONDS, capture_output=True, text=True)
        self.assertEqual(done.stdout.split(), ["0", "1"])

    def test_signal_mask_is_the_callers(self):
        done = self.ctl("run", "grep", "-E", "^Sig(Blk|Ign)",
                        "/proc/self/status")
        bare = subprocess.run(
            ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"],
            capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, bare.stdout)

    def test_bad_shim(self):
        self.env["PAGERD_PRELOAD"] = self.path("absent.so")
        self.refused("run", "true", has="absent.so")
        self.env["PAGERD_PRELOAD"] = shutil.copy(
            PRELOAD, self.path("with blank.so"))
        self.refused("run", "true", has="blank")

    def test_errors_of_the_daemon(self):
        for answer, text in (
                (fake_server.Error("org.pagerd.LimitTooSmall",
                                   minimum=8 << 20), "8.0M"),
                (fake_server.Error("org.pagerd.GroupExists", group="g"),
                 "'g' exists"),
                (fake_server.HANG_UP, "hung up"),
                ({"group": {}}, "lacks a token")):
            self.server.answers["CreateGroup"] = answer
            self.refused("run", "--limit", "1M", "true", has=text)

    def test_store(self):
        self.environment("--store", "swap")
        self.assertEqual(self.server.calls, [("CreateGroup", {
            "limit": 0, "ephemeral": True, "store": "swap"})])

    def test_no_such_store(self):
        self.server.answers["CreateGroup"] = fake_server.Error(
            "org.pagerd.NoSuchStore", store="ram:1G",
            stores=["default", "swap"])
        done = self.refused("run", "--store", "ram:1G", "true",
                            has="has these: default, swap")
        self.assertIn("--private", done.stderr)

    def test_a_named_socket_has_to_work(self):
        self.refused("run", "--socket", self.path("no"), "true", has="no")


class Unmanaged(harness.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def unmanaged(self, *command, reason, status=0):
        out = self.path("summary")
        done = self.ctl("run", "--limit", "1G", "--summary=" + out, *command)
        self.assertEqual(done.returncode, status, done)
        self.assertIn("runs unmanaged", done.stderr)
        self.assertIn(reason, done.stderr)
        with open(out, encoding="utf-8") as file:
            summary = json.load(file)
        self.assertIs(summary["managed"], False)
        self.assertIn(reason, summary["reason"])
        self.assertEqual(summary["exit_status"], status)
        self.assertIsNone(summary["peak"])
        self.assertEqual(self.server.calls, [])

    def static(self):
        path = os.environ.get("STATIC_PROGRAM")
        if not path:
            self.skipTest("no static C library")
        return path

    def test_static(self):
        self.unmanaged(self.static(), reason="statically", status=6)

    def test_scripts_of_a_static_interpreter(self):
        interpreter = shutil.copy(self.static(), self.path("interpreter"))
        for line in (f"#!{interpreter}", f"#! {interpreter} -x",
                     "#!/usr/bin/env interpreter",
                     "#!/usr/bin/env -S A=b interpreter -x"):
            script = self.write("script", line + "\n")
            self.env["PATH"] = self.dir + ":/bin:/usr/bin"
            self.unmanaged(script, reason="statically", status=6)
        outer = self.write("outer", f"#!{script}\n")
        self.unmanaged(outer, reason="statically", status=6)

    def test_env_that_empties_the_environment(self):
        for option in ("-S -i", "-iS", "-S --ignore-environment", "-S -"):
            script = self.write(
                "script", f"#!/usr/bin/env {option} /bin/true\n")
            done = self.ctl("run", script)
            self.assertIn("empties the environment", done.stderr)
            self.assertEqual(done.returncode, 0)

    def test_ordinary_scripts_are_managed(self):
        for line in ("#!/bin/sh", "#! /usr/bin/env sh", ""):
            done = self.ctl("run", self.write("script", line + "\nexit 3\n"))
            self.assertEqual((done.returncode, done.stderr), (3, ""))
        self.assertEqual(len(self.server.calls), 3)

    def needs_root(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        if os.statvfs(self.dir).f_flag & os.ST_NOSUID:
            self.skipTest("no set-id files in " + self.dir)

    def test_setuid(self):
        self.needs_root()
        copy = shutil.copy("/bin/true", self.path("copy"))
        os.chown(copy, 1, 0)
        os.chmod(copy, 0o4755)
        os.chmod(self.dir, 0o755)
        self.unmanaged(copy, reason="setuid")
        # To whoever is that user already it gives nothing.
        os.chown(copy, 0, 0)
        os.chmod(copy, 0o4755)
        self.assertEqual(self.ctl("run", copy).stderr, "")

    def test_setgid(self):
        self.needs_root()
        copy = shutil.copy("/bin/true", self.path("copy"))
        os.chown(copy, 0, 1)
        os.chmod(copy, 0o2755)
        self.unmanaged(copy, reason="setgid")

    def test_file_capabilities(self):
        self.needs_root()
        if shutil.which("setcap") is None:
            self.skipTest("no setcap")
        copy = shutil.copy("/bin/true", self.path("copy"))
        if subprocess.run(["setcap", "cap_net_raw+ep", copy],
                          check=False).returncode != 0:
            self.skipTest("no file capabilities here")
        os.chmod(self.dir, 0o755)
        self.assertEqual(self.ctl("run", copy).stderr, "")
        self.server.calls.clear()
        os.chmod(self.path("control"), 0o666)
        other = shutil.copy(PAGERCTL, self.path("pagerctl"))
        preload = shutil.copy(PRELOAD, self.path("preload.so"))
        self.env["PAGERD_PRELOAD"] = preload
        done = subprocess.run(
            [other, "run", copy], env=self.env, user=65534, group=65534,
            extra_groups=[], capture_output=True, text=True, check=False,
            timeout=harness.LIMIT_SECONDS)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("file capabilities", done.stderr)

    def patched(self, offset, value):
        path = shutil.copy("/bin/true", self.path("patched"))
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(value)
        return path

    def test_other_machines(self):
        for offset, value in ((18, b"\xf3\x7f"), (4, b"\x01")):
            path = self.patched(offset, value)
            done = self.ctl("run", path)
            self.assertIn("another kind of machine", done.stderr)
        self.assertEqual(self.server.calls, [])

    def test_another_c_library(self):
        with open("/bin/true", "rb") as file:
            data = file.read()
        for name in (b"/lib64/ld-linux-x86-64.so.2",
                     b"/lib/ld-linux-aarch64.so.1"):
            if name in data:
                break
        else:
            self.skipTest("an unknown loader")
        path = self.patched(data.index(name), name.replace(b"linux", b"musl-"))
        done = self.ctl("run", path)
        self.assertIn("another C library", done.stderr)
        self.assertEqual(done.returncode, 127)  # there is no such loader

    def test_truncated_files(self):
        for text in ("\x7fELF", "#!", "#!\n", "", "#! \t \n"):
            path = self.write("short", text)
            self.assertNotIn("unmanaged", self.ctl("run", path).stderr)


class Summary(harness.Case):
    FIELDS = {"command", "exit_status", "limit", "peak", "usage", "faults",
              "evicted_pages", "refault_pages", "stored_pages",
              "stored_bytes", "ratio", "wait_us", "seconds", "managed",
              "reason"}

    def test_to_stderr(self):
        server = self.serve()
        done = self.ctl("run", "--summary", "sh", "-c", "exit 3")
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        found = json.loads(done.stderr)
        self.assertEqual(set(found), self.FIELDS)
        self.assertEqual(found["command"], ["sh", "-c", "exit 3"])
        self.assertEqual(found["exit_status"], 3)
        self.assertEqual(found["limit"], 2 << 30)
        self.assertEqual(found["peak"], 3 << 29)
        self.assertEqual(found["evicted_pages"], 20000)
        self.assertEqual(found["stored_bytes"], 15000 * 512)
        self.assertEqual(found["ratio"], 8.0)
        self.assertIs(found["managed"], True)
        self.assertIsNone(found["reason"])
        self.assertTrue(0 <= found["seconds"] < harness.LIMIT_SECONDS)
        self.assertEqual(server.calls[-1], ("GetGroup", {"group": "build"}))

    def test_to_a_file_and_odd_bytes(self):
        self.serve()
        out = self.path("summary")
        done = self.ctl("run", "--summary=" + out, "true", b"\xff\xc3x")
        self.assertEqual(done.stderr, "")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["command"], ["true", "??x"])

    def test_nothing_stored(self):
        self.serve().answers["GetGroup"] = {
            "group": fake_server.group(stored_pages=3, stored_bytes=0)}
        done = self.ctl("run", "--summary", "true")
        self.assertIsNone(json.loads(done.stderr)["ratio"])

    def test_the_daemon_goes_away(self):
        self.serve().answers["GetGroup"] = fake_server.HANG_UP
        done = self.ctl("run", "--summary", "sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3)
        first, second = done.stderr.splitlines()
        self.assertIn("hung up", first)
        self.assertIsNone(json.loads(second)["peak"])

    def test_no_question_without_summary(self):
        server = self.serve()
        self.ctl("run", "true")
        self.assertEqual([c[0] for c in server.calls], ["CreateGroup"])


class Signals(harness.Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.counter = self.write("counter", COUNTER)

    def popen(self, *args, **more):
        process = subprocess.Popen(
            [PAGERCTL, "run", *args], env=self.env, text=True,
            stdout=subprocess.PIPE, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_signals_to_pagerctl_alone_are_passed_on(self):
        process = self.popen(self.counter)
        self.assertEqual(process.stdout.readline(), "ready\n")
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(sig)
            self.assertEqual(process.stdout.readline(), "signal\n")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.stdout.readline(), "count 3\n")
        self.assertEqual(process.wait(harness.LIMIT_SECONDS), 7)

    def test_a_deadly_signal(self):
        process = self.popen("sh", "-c", "echo ready; exec sleep 1000")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.terminate()
        self.assertEqual(process.wait(harness.LIMIT_SECONDS),
                         128 + signal.SIGTERM)

    def test_a_command_that_signals_its_own_group(self):
        process = self.popen(
            "python3", "-c", COUNTER.replace(
                "while True:", "os.kill(0, signal.SIGTERM)\nwhile True:"),
            start_new_session=True)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertEqual(process.stdout.readline(), "signal\n")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.stdout.readline(), "count 1\n")

    def test_a_command_stopped_alone_does_not_stop_pagerctl(self):
        process = self.popen("sh", "-c", "echo $$; exec \"$0\"",
                             self.counter)
        pid = int(process.stdout.readline())
        self.assertEqual(process.stdout.readline(), "ready\n")
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(process.stdout.readline(), "continued\n")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(harness.LIMIT_SECONDS), 7)

    def test_processes_left_behind_are_not_waited_for(self):
        # The pipe's end tells when what was left behind has ended.
        process = self.popen(
            "sh", "-c", "sleep 1000 & echo $!", stdin=subprocess.DEVNULL)
        pid = int(process.stdout.readline())
        self.assertEqual(process.wait(harness.LIMIT_SECONDS), 0)
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(process.stdout.read(), "")


class Terminal(harness.Case):
    """pagerctl as the job of a shell that has a terminal."""

    def setUp(self):
        super().setUp()
        self.serve()
        self.counter = self.write("counter", COUNTER)
        self.from_job, to_test = os.pipe()
        from_test, self.to_shell = os.pipe()
        pid, self.terminal = pty.fork()
        if pid == 0:
            self.shell(to_test, from_test)
        os.close(to_test)
        os.close(from_test)
        self.lines = os.fdopen(self.from_job)
        self.pid = pid
        self.addCleanup(self.end)

    def end(self):
        os.close(self.to_shell)
        self.lines.close()
        os.close(self.terminal)
        os.waitpid(self.pid, 0)

    def shell(self, out, commands):
        """What a shell does for a job; tells of it in lines on out."""
        try:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            job = subprocess.Popen(
                [PAGERCTL, "run", self.counter], env=self.env, stdout=out,
                preexec_fn=self.foreground)
            os.write(out, f"job {job.pid}\n".encode())
            while True:
                _, status = os.waitpid(job.pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    break
                os.write(out, b"stopped\n")
                os.read(commands, 1)
                os.killpg(job.pid, signal.SIGCONT)
            os.write(out, f"ended {os.WEXITSTATUS(status)}\n".encode())
        finally:
            os._exit(0)

    @staticmethod
    def foreground():
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)

    def start(self):
        found = {self.lines.readline(), self.lines.readline()}
        found.discard("ready\n")
        return int(found.pop().split()[1])

    def test_interrupt_comes_once(self):
        job = self.start()
        os.write(self.terminal, b"\x03")
        self.assertEqual(self.lines.readline(), "signal\n")
        os.kill(job, signal.SIGUSR1)
        self.assertEqual(self.lines.readline(), "count 1\n")
        self.assertEqual(self.lines.readline(), "ended 7\n")

    def test_stop_and_continue(self):
        job = self.start()
        os.write(self.terminal, b"\x1a")
        self.assertEqual(self.lines.readline(), "stopped\n")
        os.write(self.to_shell, b"x")
        self.assertEqual(self.lines.readline(), "continued\n")
        os.kill(job, signal.SIGUSR1)
        # Both the group and pagerctl continue the command.
        rest = [line for line in iter(self.lines.readline, "ended 7\n")
                if line != "continued\n"]
        self.assertEqual(rest, ["count 0\n"])


if __name__ == "__main__":
    assert sys.version_info >= (3, 9)
    harness.main()
