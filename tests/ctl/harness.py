"""What the tests of pagerctl share.

The environment, set by meson, says what to test:
    PAGERCTL        the program
    FAKE_PRELOAD    a library that may be preloaded anywhere
    STATIC_PROGRAM  a statically linked program, may be absent
    MAN_DIR, SOURCE_DIR
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import fake_server

PAGERCTL = os.environ["PAGERCTL"]
PRELOAD = os.environ["FAKE_PRELOAD"]
HERE = os.path.dirname(os.path.abspath(__file__))
FAKE_DAEMON = os.path.join(HERE, "fake_daemon.py")
LIMIT_SECONDS = 60


def clean_environment():
    """Ours without what would steer pagerctl or its children."""
    env = dict(os.environ)
    for name in ("PAGERCTL_SOCKET", "PAGERD_SOCKET", "PAGERD_GROUP",
                 "XDG_RUNTIME_DIR", "LISTEN_FDS", "LISTEN_PID"):
        env.pop(name, None)
    # A sanitizer's complaint is a status that nothing else has; and a
    # preloaded library comes before its runtime.
    env["ASAN_OPTIONS"] = "exitcode=99:verify_asan_link_order=0"
    env["UBSAN_OPTIONS"] = "halt_on_error=1:exitcode=99"
    env["PAGERD_PRELOAD"] = PRELOAD
    env["PAGERD_DAEMON"] = FAKE_DAEMON
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


class Case(unittest.TestCase):
    def setUp(self):
        signal.alarm(LIMIT_SECONDS)
        self.dir = tempfile.mkdtemp(prefix="ctl-test.")
        self.addCleanup(shutil.rmtree, self.dir)
        self.env = clean_environment()
        self.descriptors_before = set(os.listdir("/proc/self/fd"))

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o755):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)
        return path

    def serve(self):
        """A daemon at the socket that pagerctl will use."""
        path = self.path("control")
        server = fake_server.FakeServer(fake_server.listen(path))
        self.addCleanup(server.close)
        self.env["PAGERCTL_SOCKET"] = path
        return server

    def ctl(self, *args, **more):
        return subprocess.run(
            [PAGERCTL, *args], env=self.env, timeout=LIMIT_SECONDS,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, **more)

    def refused(self, *args, has="", status=125):
        """One line on stderr, which says what was wrong; what to do."""
        done = self.ctl(*args)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Apagerctl: [^\n]+; [^\n]+\n\Z")
        self.assertIn(has, done.stderr)
        return done


def main():
    unittest.main(argv=[sys.argv[0], "-v"])
