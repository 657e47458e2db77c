#!/usr/bin/env python3
"""The man pages, against mandoc and against what they describe."""

import os
import re
import shutil
import subprocess
import unittest

import harness

MAN_DIR = os.environ["MAN_DIR"]
SOURCE_DIR = os.environ["SOURCE_DIR"]
PAGERD = os.environ.get("PAGERD")
PAGES = ["libpagerd-preload.7", "libpagerd.3", "pagerctl.1",
         "pagerd-backends.7", "pagerd-protocol.7", "pagerd.8",
         "pagerd.conf.5"]


def page(name):
    with open(os.path.join(MAN_DIR, name), encoding="utf-8") as file:
        return file.read()


def source(name):
    with open(os.path.join(SOURCE_DIR, name), encoding="utf-8") as file:
        return file.read()


def plain(item):
    """'limit Ar GROUP SIZE' -> 'limit GROUP SIZE', 'Op Ar X' -> '[X]'."""
    item = re.sub(r"Op Fl -(?= |$)", "[--]", item)
    item = re.sub(r"Op Ar (\S+)", r"[\1]", item)
    item = re.sub(r" Ns Op ([=/]) Ns Ar (\S+)", r"[\1\2]", item)
    return re.sub(r"\bAr ", "", item)


def items(text, macro):
    return [plain(i) for i in re.findall(rf"(?m)^\.It {macro} (.+)$", text)]


class Lint(unittest.TestCase):
    def test_every_page_is_here(self):
        found = sorted(n for n in os.listdir(MAN_DIR)
                       if re.search(r"\.[1-9]$", n))
        self.assertEqual(found, PAGES)

    @staticmethod
    def lint(path):
        return subprocess.run(
            ["mandoc", "-Tlint", "-Wwarning", path], text=True, check=False,
            capture_output=True, timeout=harness.LIMIT_SECONDS)

    @unittest.skipIf(shutil.which("mandoc") is None, "no mandoc")
    def test_mandoc(self):
        for name in PAGES:
            done = self.lint(os.path.join(MAN_DIR, name))
            self.assertEqual((done.returncode, done.stdout), (0, ""), name)

    @unittest.skipIf(shutil.which("mandoc") is None, "no mandoc")
    def test_mandoc_would_notice(self):
        done = self.lint("/dev/null")
        self.assertNotEqual(done.returncode, 0)

    def test_references_to_our_own_pages(self):
        looked = 0
        for name in PAGES:
            for other, section in re.findall(
                    r"(?m)^\.?(?:.* )?Xr (\S+) (\d)", page(name)):
                if "pagerd" in other or "pagerctl" in other:
                    self.assertIn(f"{other}.{section}", PAGES, name)
                    looked += 1
        self.assertGreater(looked, 20)

    def test_sections(self):
        for name in PAGES:
            for section in ("DESCRIPTION", "EXAMPLES", "SEE ALSO"):
                self.assertIn(f"\n.Sh {section}\n", page(name), name)


class Pagerctl(harness.Case):
    def help(self, *args):
        done = self.ctl(*args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def commands(self):
        part = self.help("--help").split("commands:\n")[1].split("\n\n")[0]
        return re.findall(r"(?m)^  (\S.*)$", part)

    @staticmethod
    def options(text):
        """Options, each with the argument that stands beside it."""
        return {m.strip() for m in re.findall(
            r"(?m)^  (--\w[^ ]*(?: [A-Z]+)?)", text)}

    def test_commands(self):
        shown = self.commands()
        self.assertGreater(len(shown), 10)
        written = items(page("pagerctl.1"), "Ic")
        self.assertEqual(shown, written)

    def test_options(self):
        shown = self.options(self.help("--help"))
        for command in self.commands():
            shown |= self.options(self.help(command.split()[0], "--help"))
        written = {"-" + o for o in items(page("pagerctl.1"), "Fl")}
        self.assertGreater(len(written), 5)
        self.assertEqual(shown, written)

    def test_all_the_ways_to_help(self):
        self.assertEqual(self.help("help"), self.help("--help"))
        self.assertEqual(self.help("-h"), self.help("--help"))
        for command in self.commands():
            name = command.split()[0]
            text = self.help("help", name)
            self.assertTrue(text.startswith(f"usage: pagerctl {command}\n"))
            self.assertEqual(self.help(name, "--help"), text)

    def test_json_where_it_is_read(self):
        reading = re.search(
            r"(?s)that only read:\n(.*?)\nIt may stand", page("pagerctl.1"))
        names = set(re.findall(r"[a-z-]+", re.sub(
            r"Cm|and|\.", " ", reading.group(1))))
        for command in self.commands():
            name = command.split()[0]
            self.assertEqual(
                "--json" in self.help("help", name), name in names, name)

    def test_environment(self):
        text = source("ctl/paths.h")
        names = re.findall(r'#define PATHS_ENV_\w+ "(\w+)"', text)
        self.assertEqual(len(names), 3)
        for name in names:
            self.assertIn(f".It Ev {name}\n", page("pagerctl.1"))

    def test_summary(self):
        written = set(re.findall(
            r"(?m)^\.It Cm (\w+)$", page("pagerctl.1")))
        text = source("ctl/summary.c")
        group = re.search(r"from_group\[\] = \{(.*?)NULL", text, re.S)
        packed = re.search(r'json_pack\("\{(?:.*?)reason\);', text, re.S)
        made = set(re.findall(r'"(\w+)"', group.group(1)))
        made |= set(re.findall(r'"([a-z]\w+)"', packed.group(0)))
        self.assertEqual(made | {"ratio"}, written)


class Others(unittest.TestCase):
    @unittest.skipIf(PAGERD is None, "pagerd is not built here")
    def test_pagerd_options(self):
        done = subprocess.run(
            [PAGERD, "--help"], capture_output=True, text=True, check=True,
            timeout=harness.LIMIT_SECONDS)
        shown = Pagerctl.options(done.stdout)
        self.assertGreater(len(shown), 5)
        text = page("pagerd.8")
        self.assertEqual(shown, {"-" + o for o in items(text, "Fl")})

    def test_parameters(self):
        made = re.findall(r'(?m)^PARAMETER\("(\w+)", \w+, "([\w-]+)"',
                          source("tbl/parameters.h"))
        self.assertGreater(len(made), 3)
        written, section = [], None
        for line in page("pagerd.conf.5").splitlines():
            match = re.match(r"\.Ss Section \[(\w+)", line)
            section = match.group(1) if match else section
            match = re.match(r"\.It Ic (\S+)$", line)
            if match:
                written.append((section, match.group(1)))
        self.assertEqual(made, written)

    def test_backends(self):
        made = re.findall(
            r"(?m)^\s+X\((\w+)\)", source("backends/builtin.h"))
        self.assertGreater(len(made), 1)
        self.assertEqual(made, re.findall(
            r"(?m)^\.Ss (\w+)$", page("pagerd-backends.7")))

    def test_interface(self):
        text = source("tbl/org.pagerd.varlink")
        methods = set(re.findall(r"(?m)^method (\w+)", text))
        self.assertGreater(len(methods), 10)
        written = set()
        for line in re.findall(
                r"(?m)^\.It Ic (.+)$", page("pagerd-protocol.7")):
            written |= set(line.split(" , "))
        self.assertEqual(methods, written)
        for error in re.findall(r"(?m)^error (\w+)", text):
            self.assertIn(error, page("pagerd-protocol.7"))

    def test_latencies(self):
        text = source("tbl/org.pagerd.varlink")
        names = re.findall(r"(?m)^LATENCY\((\w+)", source("tbl/latencies.h"))
        self.assertGreater(len(names), 1)
        self.assertEqual(names, re.findall(
            r"(\w+): Latency", text.split("type Latencies")[1].split(")")[0]))
        section = page("pagerctl.1").split(".Sh HOW LONG FAULTS TAKE")[1]
        self.assertEqual(names, re.findall(
            r"(?m)^\.It (\w+)$", section.split(".Sh")[0]))
        quantiles = re.findall(
            r"(?m)^QUANTILE\((\w+)", source("tbl/quantiles.h"))
        self.assertGreater(len(quantiles), 3)
        self.assertEqual(quantiles, re.findall(
            r"(?m)^  (p\w+): int", text.split("type Latency ")[1].split(
                "\n)")[0]))

    def test_library(self):
        with open(os.path.join(SOURCE_DIR, "..", "include", "pagerd.h"),
                  encoding="utf-8") as file:
            header = file.read()
        text = page("libpagerd.3")
        made = set(re.findall(r"(?m)^(?:int|void) (pagerd_\w+)\(", header))
        self.assertGreater(len(made), 8)
        self.assertEqual(made, set(re.findall(r"(?m)^\.Nm (\w+)", text)))
        self.assertEqual(made, set(re.findall(
            r"(?m)^\.F[no] (\w+)(?: \"|$)",
            text.split(".Sh DESCRIPTION")[0])))
        names = set(re.findall(r"(?m)^\t(PAGERD_\w+) =", header))
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertIn(f".It Dv {name}\n", text)

    def test_messages(self):
        with open(os.path.join(SOURCE_DIR, "..", "include", "pagerd",
                               "protocol.h"), encoding="utf-8") as file:
            made = set(re.findall(r"(?m)^\tPAGERD_MSG_(\w+) =", file.read()))
        self.assertGreater(len(made), 5)
        self.assertEqual(made, set(re.findall(
            r"(?m)^\.It Dv (\w+) Ta", page("pagerd-protocol.7"))))


if __name__ == "__main__":
    harness.main()
