#!/usr/bin/env python3
"""Each command against a fake daemon, in both forms of output."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
import xml.etree.ElementTree

import fake_server
import harness
from fake_server import Error

READING = {
    "list": ([], ["ListGroups", "ListSpaces"]),
    "show": (["4711"], ["GetSpace"]),
    "regions": (["4711"], ["ListRegions"]),
    "map": (["4711"], ["MapSpace"]),
    "shared": ([], ["ListShared"]),
    "stores": ([], ["ListStores"]),
    "stats": ([], ["GetStats"]),
    "check": ([], ["Check"]),
    "doctor": ([], ["Diagnose"]),
    "version": ([], ["GetVersion"]),
}


class Reading(harness.Case):
    def test_json_before_and_after_the_command(self):
        server = self.serve()
        for name, (args, calls) in READING.items():
            server.calls.clear()
            before = self.ctl("--json", name, *args)
            after = self.ctl(name, *args, "--json")
            self.assertEqual(before.stdout, after.stdout, name)
            self.assertEqual(before.stderr, "")
            self.assertIsInstance(json.loads(before.stdout), dict)
            self.assertEqual([c[0] for c in server.calls], calls * 2)

    def test_list(self):
        self.serve()
        done = self.ctl("list")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), [
            "GROUP", "UID", "PID", "COMMAND", "RESIDENT", "OUT", "FOREIGN",
            "USAGE", "LIMIT", "PEAK", "STATE"])
        self.assertEqual(lines[1].split(), [
            "build", "1000", "512M", "64M", "1.0G", "2.0G", "1.5G",
            "adopted"])
        self.assertEqual(lines[2].split(), [
            "1000", "4711", "cc1", "512M", "64M", "0"])
        self.assertRegex(lines[3], r" \? +evil\?\[31m\? .*no agent$")
        self.assertRegex(lines[4], r"^big .* none +1\.5G  OVER$")
        self.assertEqual(len(lines), 5)

    def test_columns_are_aligned(self):
        self.serve()
        lines = self.ctl("list").stdout.splitlines()
        for heading, text in (("LIMIT", "2.0G"), ("OUT", "64M")):
            end = lines[0].index(heading) + len(heading)
            self.assertEqual(lines[1][end - len(text):end], text)
        for line in lines:
            self.assertEqual(line, line.rstrip())

    def test_list_json(self):
        self.serve()
        found = json.loads(self.ctl("list", "--json").stdout)
        self.assertEqual(found["groups"][0], fake_server.group())
        self.assertEqual(found["spaces"][0], fake_server.space())

    def test_list_of_nothing(self):
        server = self.serve()
        server.answers["ListGroups"] = {"groups": []}
        server.answers["ListSpaces"] = {"spaces": []}
        self.assertEqual(self.ctl("list").stdout, "no groups\n")

    def test_list_with_stores(self):
        self.serve().answers["ListGroups"] = {"groups": [
            fake_server.group(store="swap"), fake_server.group(
                id=2, name="big", store=None)]}
        lines = self.ctl("list").stdout.splitlines()
        self.assertRegex(lines[0], r" STATE +STORE$")
        self.assertRegex(lines[1], r" adopted +swap$")
        self.assertRegex(lines[2], r" 4711 +cc1 .* 0$")
        self.assertRegex(lines[4], r" adopted$")
        self.assertEqual(lines[0].index("STORE"), lines[1].index("swap"))

    def test_show(self):
        server = self.serve()
        done = self.ctl("show", "4711")
        self.assertEqual(server.calls, [("GetSpace", {"pid": 4711})])
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^process 4711$")
        self.assertRegex(done.stdout, r"(?m)^  command +cc1$")
        self.assertRegex(done.stdout, r"(?m)^group build$")
        self.assertRegex(done.stdout, r"(?m)^  limit +2\.0G$")
        self.assertRegex(done.stdout, r"(?m)^  faults waited +2\.500 s$")
        for name, size in (("total", "4.0M"), ("common", "512K"),
                           ("shared", "4.0K"), ("proportional", "3.8M"),
                           ("stored", "300K")):
            self.assertRegex(done.stdout, rf"(?m)^  {name} +{size}$")

    def test_show_with_stores(self):
        server = self.serve()
        self.assertNotIn("\n  store ", self.ctl("show", "4711").stdout)
        server.answers["GetSpace"] = {
            "space": fake_server.space(),
            "group": fake_server.group(store="swap")}
        self.assertRegex(self.ctl("show", "4711").stdout,
                         r"\ngroup build\n  store +swap\n")

    def test_show_of_an_older_daemon(self):
        self.serve().answers["GetSpace"] = {
            "space": fake_server.space(), "group": fake_server.group()}
        self.assertRegex(self.ctl("show", "4711").stdout,
                         r"(?m)^  common +0$")

    def test_show_json(self):
        self.serve()
        found = json.loads(self.ctl("show", "4711", "--json").stdout)
        self.assertEqual(found, {"space": fake_server.space(
            **fake_server.usage()),
                                 "group": fake_server.group()})

    def test_regions(self):
        server = self.serve()
        done = self.ctl("regions", "4711")
        self.assertEqual(server.calls, [("ListRegions", {"pid": 4711})])
        self.assertEqual(done.stdout.splitlines()[1].split(), [
            "7f0000000000-7f0000400000", "anon", "4.0M", "3.0M", "1.0M",
            "8.0K", "512K", "4.0K", "3.8M", "300K", "yes"])

    def test_regions_fit(self):
        server = self.serve()
        region = server.answers["ListRegions"]["regions"][0]
        most = dict.fromkeys(fake_server.usage(), 1023 << 20)
        server.answers["ListRegions"] = {"regions": [
            {**region, **most, "memtype": "shared"}]}
        for line in self.ctl("regions", "4711").stdout.splitlines():
            self.assertLessEqual(len(line), 102)

    def test_regions_of_an_unadopted_process(self):
        self.serve().answers["ListRegions"] = {"regions": []}
        self.assertIn("no regions", self.ctl("regions", "4711").stdout)

    def test_shared(self):
        self.serve()
        done = self.ctl("shared")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), [
            "NAME", "UID", "SIZE", "RESIDENT", "OUT", "MAPS"])
        self.assertEqual(lines[1].split(), [
            "index", "1000", "64M", "16M", "32M", "2"])
        self.assertEqual(lines[2].split(), [
            "evil?[31m?", "0", "64M", "16M", "32M", "0"])
        self.assertEqual(len(lines), 3)
        found = json.loads(self.ctl("shared", "--json").stdout)
        self.assertEqual(found["shared"][0], fake_server.shared())

    def test_shared_of_nobody(self):
        self.serve().answers["ListShared"] = {"shared": []}
        self.assertEqual(self.ctl("shared").stdout, "no shared memory\n")

    def stores(self, *args, looks):
        """=> the cells of each line"""
        server = self.serve()
        done = self.ctl("stores", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(server.calls, [("ListStores", {})] * looks)
        return [line.split() for line in done.stdout.splitlines()]

    def test_stores(self):
        self.assertEqual(self.stores("--interval", "0", looks=1), [
            ["NAME", "TIER", "KIND", "SIZE", "USED", "STORED", "PAGES",
             "READ/s", "WRITE/s", "READ-LATENCY", "ERRORS", "STATE"],
            ["default", "0", "ram", "2.0G", "1.0M", "879K", "1000", "-", "-",
             "-", "0", "ok"],
            ["swap", "0", "nbd", "none", "1.0M", "879K", "1000", "-", "-",
             "380us", "3", "FAILING"]])

    def test_rates_of_stores(self):
        lines = self.stores(looks=2)
        self.assertEqual([line[7:9] for line in lines[1:]], [["0", "0"]] * 2)

    def test_rates_of_busy_stores(self):
        looks = iter((1000, 3000))

        def answer(_):
            n = next(looks)
            return {"stores": [fake_server.tier(
                loaded_pages=n, stored_pages=10 * n)]}

        self.serve().answers["ListStores"] = answer
        start = time.monotonic()
        line = self.ctl("stores", "--interval", "2").stdout.splitlines()[1]
        seconds = time.monotonic() - start
        self.assertGreaterEqual(seconds, 2)
        read, write = map(int, line.split()[7:9])
        self.assertTrue(2000 / seconds - 1 <= read <= 1000, line)
        self.assertTrue(20000 / seconds - 1 <= write <= 10000, line)

    def test_states_of_stores(self):
        server = self.serve()
        for state, changes in (
                ("ok", {}), ("draining", {"draining": True}),
                ("drained", {"draining": True, "pages": 0}),
                ("FAILING", {"draining": True, "failing": True})):
            server.answers["ListStores"] = {
                "stores": [fake_server.tier(**changes)]}
            line = self.ctl("stores", "--interval=0").stdout.splitlines()[1]
            self.assertEqual(line.split()[-1], state)

    def test_stores_json(self):
        self.serve()
        found = json.loads(self.ctl("stores", "--json").stdout)
        self.assertEqual(found["stores"][0], fake_server.tier())

    def test_stats(self):
        self.serve()
        text = self.ctl("stats").stdout
        self.assertRegex(
            text, r"(?m)^faults_missing +4242  faults +missing-page")
        self.assertRegex(text, r"(?m)^refaults +0  pages ")
        self.assertRegex(text, r"(?m)^from_the_future +5$")
        self.assertRegex(text, r"(?m)^LATENCY +FAULTS +MEAN +50% +90% +99% "
                         r"+99\.9% +MAX +MEANING$")
        self.assertRegex(text, r"(?m)^service +4200 +3\.0us +1\.0us +6\.0us "
                         r"+12us +120us +12ms +what ")
        self.assertRegex(text, r"(?m)^wait +4200 +2\.0s +667ms +4\.0s +8\.0s "
                         r"+80s +8000s +what ")
        self.assertRegex(text, r"(?m)^  same-filled +100$")
        self.assertRegex(text, r"(?m)^  saved +77$")
        self.assertRegex(text, r"(?m)^  capacity +none$")
        self.assertRegex(text, r"(?m)^  ratio +4\.00$")
        self.assertRegex(text, r"(?m)^  metadata +1\.0M$")
        self.assertRegex(text, r"(?m)^adopted memory$")
        self.assertRegex(text, r"(?m)^  common +77M$")
        self.assertRegex(text, r"(?m)^  proportional +3\.8M$")

    def test_stats_of_an_older_daemon(self):
        stats = dict(fake_server.DEFAULTS["GetStats"])
        del stats["latency"]
        self.serve().answers["GetStats"] = stats
        self.assertRegex(self.ctl("stats").stdout,
                         r"(?m)^wait +0( +0ns){6} +what ")

    def test_stats_of_an_empty_store(self):
        stats = dict(fake_server.DEFAULTS["GetStats"])
        stats["store"] = {"name": "ram"}
        self.serve().answers["GetStats"] = stats
        self.assertRegex(self.ctl("stats").stdout, r"(?m)^  ratio +-$")

    def test_check(self):
        server = self.serve()
        done = self.ctl("check", "4711")
        self.assertEqual(server.calls, [("Check", {"pid": 4711})])
        self.assertEqual(done.returncode, 0)
        self.assertEqual(
            done.stdout, "2 spaces and 123 pages looked at, 0 problems\n")

    def test_check_with_problems(self):
        server = self.serve()
        server.answers["Check"] = {"spaces": 1, "pages": 5, "problems": 1,
                                   "lines": ["slot 3 is\x07 wrong"]}
        done = self.ctl("check")
        self.assertEqual(server.calls[0], ("Check", {}))
        self.assertEqual(done.returncode, 1)
        self.assertIn("  slot 3 is? wrong\n", done.stdout)
        done = self.ctl("check", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["problems"], 1)

    def test_version(self):
        self.serve()
        text = self.ctl("version").stdout
        self.assertRegex(text, r"\Apagerctl \d+\.\d+")
        self.assertIn("pagerd   9.8.7, process 321\n", text)
        found = json.loads(self.ctl("version", "--json").stdout)
        self.assertEqual(found["daemon"]["version"], "9.8.7")

    def test_version_without_a_daemon(self):
        self.env["PAGERCTL_SOCKET"] = self.path("absent")
        done = self.ctl("version")
        self.assertEqual(done.returncode, 0)
        self.assertIn("pagerd   not running\n", done.stdout)
        found = json.loads(self.ctl("version", "--json").stdout)
        self.assertIsNone(found["daemon"])

    def test_version_option_asks_nobody(self):
        server = self.serve()
        self.assertRegex(self.ctl("--version").stdout, r"\Apagerctl \d")
        self.assertEqual(server.calls, [])


class Map(harness.Case):
    """The drawing itself is tested by map-test.c."""

    SVG = "{http://www.w3.org/2000/svg}"
    LETTERS = "7f0000000000 " + 67 * "R" + "\n"

    def test_text(self):
        server = self.serve()
        done = self.ctl("map", "4711")
        self.assertEqual(server.calls, [
            ("MapSpace", {"pid": 4711, "from": 0})])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith(
            "process 4711: 1 region, 4.0M; one cell is 1 page (4.0K)\n"))
        self.assertIn(self.LETTERS, done.stdout)
        self.assertIn("(76K unknown)\n", done.stdout)
        for line in done.stdout.splitlines():
            self.assertLessEqual(len(line), 80)

    def test_width(self):
        self.serve()
        for width in (24, 1000):
            lines = self.ctl("map", "4711", "--width", str(width)).stdout
            self.assertEqual(
                max(len(line) for line in lines.splitlines()
                    if re.match(r"[0-9a-f]{12} [A-Z.]", line)), width)

    def test_answer_in_pieces(self):
        server = self.serve()
        region = fake_server.map_region
        start, end = 0x1000000, 0x1064000
        answers = {
            0: ([region(start, end, [("resident", 20)])], start + 20 * 4096),
            start + 20 * 4096: (
                [region(start, end, [("resident", 5), ("compressed", 5)],
                        **{"from": start + 20 * 4096})], start + 30 * 4096),
            # The same region again, but not from where the last piece ended.
            start + 30 * 4096: (
                [region(start, end, [("zero", 69)],
                        **{"from": start + 31 * 4096}),
                 region(end, end + 4096, [("disk", 1)], id=2)], None)}

        def answer(parameters):
            regions, after = answers[parameters["from"]]
            return {"regions": regions, "next": after}

        server.answers["MapSpace"] = answer
        text = self.ctl("map", "4711").stdout
        self.assertIn("\n000001000000 " + 25 * "R" + 5 * "P", text)
        self.assertIn("\n00000101f000 " + 67 * "Z" + "\n", text)
        self.assertIn("\n000001064000 D\n", text)
        found = json.loads(self.ctl("map", "4711", "--json").stdout)
        self.assertEqual([len(r["runs"]) for r in found["regions"]],
                         [3, 1, 1])
        self.assertEqual(len(server.calls), 6)

    def test_answer_that_leads_nowhere(self):
        server = self.serve()
        server.answers["MapSpace"] = {"regions": [], "next": 0}
        self.refused("map", "4711", has="leads nowhere")

    def test_odd_answers(self):
        server = self.serve()
        huge = (1 << 63) - 1
        server.answers["MapSpace"] = {"next": None, "regions": [
            {}, 7, fake_server.map_region(8192, 4096, []),
            fake_server.map_region(1, 4097, []),
            fake_server.map_region(-4096, 4096, []),
            fake_server.map_region(0, huge & ~4095, [
                ("resident", huge), ("resident", -1), ("from_later", huge)]),
            fake_server.map_region(4096, 8192, [], memtype=20 * "x")]}
        done = self.ctl("map", "4711")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("process 4711: 2 regions, 8.0E", done.stdout)

    def test_unadopted(self):
        self.serve().answers["MapSpace"] = {"regions": [], "next": None}
        self.assertIn("no regions", self.ctl("map", "4711").stdout)
        done = self.ctl("map", "4711", "--json")
        self.assertEqual(json.loads(done.stdout), {"regions": []})

    def test_colors(self):
        self.serve()
        colored, blocks = "\x1b[32m", "\u2588\u2588"
        self.env.update(LC_ALL="C.UTF-8", TERM="xterm")
        for when in ("auto", "never"):
            text = self.ctl("map", "4711", "--color", when).stdout
            self.assertNotIn("\x1b", text)
            self.assertIn(self.LETTERS, text)
        text = self.ctl("map", "4711", "--color=always").stdout
        self.assertIn("7f0000000000 " + colored + blocks, text)
        self.env["LC_ALL"] = "C"
        text = self.ctl("map", "4711", "--color=always").stdout
        self.assertIn("7f0000000000 " + colored + "RR", text)

    def on_a_terminal(self, *args):
        """=> what it writes to one with 50 columns"""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 25, 50, 0, 0))
        with subprocess.Popen([harness.PAGERCTL, *args], env=self.env,
                              stdout=theirs) as process:
            os.close(theirs)
            text = b""
            try:
                while more := os.read(ours, 65536):
                    text += more
            except OSError:  # EIO: its last writer is gone
                pass
            os.close(ours)
        self.assertEqual(process.returncode, 0)
        return text.decode().replace("\r\n", "\n")

    def test_terminal(self):
        self.serve()
        self.env.update(LC_ALL="C.UTF-8", TERM="xterm")
        self.env.pop("NO_COLOR", None)
        row = "7f0000000000 \x1b[32m" + 37 * "\u2588" + "\x1b[0m\n"
        self.assertIn(row, self.on_a_terminal("map", "4711"))
        plain = "7f0000000000 " + 37 * "R" + "\n"
        self.assertIn(plain, self.on_a_terminal(
            "map", "4711", "--color", "never"))
        self.env["NO_COLOR"] = "1"
        self.assertIn(plain, self.on_a_terminal("map", "4711"))
        self.assertIn(row, self.on_a_terminal(
            "map", "4711", "--color", "always"))
        self.env.update(NO_COLOR="", TERM="dumb")
        self.assertIn(plain, self.on_a_terminal("map", "4711"))

    def test_svg(self):
        self.serve()
        path = self.path("map.svg")
        done = self.ctl("map", "4711", "--svg", path)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "", ""))
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, self.SVG + "svg")
        titles = [t.text for t in root.iter(self.SVG + "title")]
        self.assertIn("7f0000000000-7f0000080000\nresident 512K", titles)
        self.assertIn("Memory of process 4711",
                      [t.text for t in root.iter(self.SVG + "text")])
        done = self.ctl("map", "4711", "--json", "--svg", path)
        self.assertIn("regions", json.loads(done.stdout))

    def test_svg_of_everything(self):
        done = subprocess.run(
            [os.environ["MAP_TEST"], "svg"], capture_output=True, check=True,
            timeout=harness.LIMIT_SECONDS)
        root = xml.etree.ElementTree.fromstring(done.stdout)
        width, height = (float(root.get(n)) for n in ("width", "height"))
        shapes = list(root.iter(self.SVG + "rect"))
        self.assertGreater(len(shapes), 500)
        for shape in shapes:
            left, top = (float(shape.get(n, 0)) for n in ("x", "y"))
            self.assertLessEqual(left + float(shape.get("width")), width)
            self.assertLessEqual(top + float(shape.get("height")), height)
        texts = [t.text for t in root.iter(self.SVG + "text")]
        self.assertTrue(any('<?&?>"]]>' in t for t in texts))
        self.assertTrue(all(float(t.get("y")) < height
                            for t in root.iter(self.SVG + "text")))

    def test_svg_that_cannot_be_written(self):
        self.serve()
        for path in (self.dir, self.path("no/such"), "/dev/full"):
            self.refused("map", "4711", "--svg", path, has=path)


class Doctor(harness.Case):
    def test_with_a_daemon(self):
        self.serve()
        done = self.ctl("doctor")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"(?m)^ok    control-socket ")
        self.assertRegex(
            done.stdout,
            r"(?m)^warn  memlock +not locked\n      raise LimitMEMLOCK$")

    def test_every_local_finding_is_there(self):
        self.serve()
        found = json.loads(self.ctl("doctor", "--json").stdout)["findings"]
        names = [f["name"] for f in found if f["source"] == "pagerctl"]
        for name in ("control-socket", "userfaultfd", "nofile",
                     "memlock-limit", "huge-pages", "overcommit", "shim",
                     "daemon-program"):
            self.assertIn(name, names)
        self.assertEqual(len(names), len(set(names)))

    def test_a_missing_shim_fails(self):
        self.serve()
        self.env["PAGERD_PRELOAD"] = self.path("absent.so")
        done = self.ctl("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stdout, r"(?m)^FAIL  shim +.*absent\.so.*\n      install ")

    def test_a_kernel_without_move(self):
        self.env["PAGERD_MASK_FEATURES"] = "move"
        self.env["PAGERCTL_SOCKET"] = ""
        if os.path.exists("/run/pagerd/control"):
            self.skipTest("a daemon runs here")
        done = self.ctl("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^FAIL  move ")
        # What the running daemon can do is what counts when there is one.
        self.serve()
        done = self.ctl("doctor")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"(?m)^warn  move ")

    def test_errors_of_the_daemon(self):
        server = self.serve()
        server.answers["Diagnose"] = {"findings": [
            {"name": "x", "what": "error", "text": "t", "advice": "a"}]}
        self.assertEqual(self.ctl("doctor").returncode, 1)
        server.answers["Diagnose"] = fake_server.HANG_UP
        done = self.ctl("doctor")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^FAIL  control-socket ")

    def test_a_named_socket_has_to_be_there(self):
        self.env["PAGERCTL_SOCKET"] = self.path("absent")
        self.assertEqual(self.ctl("doctor").returncode, 1)


class Changing(harness.Case):
    def test_limit(self):
        server = self.serve()
        for text, value in (("2G", 2 << 30), ("0", 0), ("none", 0)):
            server.calls.clear()
            done = self.ctl("limit", "build", text)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertEqual(server.calls, [
                ("SetLimit", {"group": "build", "limit": value})])

    def test_name_not_utf8(self):
        server = self.serve()
        self.ctl("limit", b"a\xff", "2G")
        self.ctl("reclaim", b"a\xff", "2G")
        self.assertEqual([call[1]["group"] for call in server.calls],
                         ["a?", "a?"])

    def test_reclaim(self):
        server = self.serve()
        done = self.ctl("reclaim", "build", "64M")
        self.assertEqual(done.stdout, "32M pushed out\n")
        self.assertEqual(server.calls, [
            ("Reclaim", {"group": "build", "bytes": 64 << 20})])

    def test_log_level(self):
        server = self.serve()
        done = self.ctl("log-level", "debug")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertEqual(server.calls, [("SetLogLevel", {"level": "debug"})])

    def test_unlink(self):
        server = self.serve()
        done = self.ctl("unlink", "index")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "", ""))
        self.assertEqual(server.calls, [("UnlinkShared", {"name": "index"})])
        server.answers["UnlinkShared"] = Error(
            "org.pagerd.NoSuchShared", shared="index")
        self.refused("unlink", "index", has="no shared memory 'index'")

    def test_drain(self):
        server = self.serve()
        for words, name, tier, on in (
                (["swap/1"], "swap", 1, True), (["swap"], "swap", 0, True),
                (["--cancel", "swap/99"], "swap", 99, False),
                (["a.b-c_d/0"], "a.b-c_d", 0, True)):
            server.calls.clear()
            done = self.ctl("drain", *words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(server.calls, [
                ("DrainStore", {"store": name, "tier": tier, "on": on})])
            self.assertEqual(done.stdout, "" if not on else (
                f"{name}/{tier} is being drained; 'pagerctl stores' shows "
                "how many pages it has left\n"))

    def drain_and_wait(self, *pages):
        """What is left at each look; None: it was cancelled."""
        server = self.serve()
        looks = iter(pages)

        def answer(_):
            n = next(looks)
            return {"stores": [fake_server.tier(), fake_server.tier(
                tier=1, pages=n or 0, draining=n is not None)]}

        server.answers["ListStores"] = answer
        return lambda: len(server.calls) == 1 + len(pages)

    def test_drain_and_wait(self):
        looked = self.drain_and_wait(20, 10, 0)
        done = self.ctl("drain", "--wait", "default/1")
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (0, "default/1 is empty\n", ""))
        self.assertTrue(looked())

    def test_drain_that_is_cancelled(self):
        looked = self.drain_and_wait(20, None)
        self.refused("drain", "--wait", "default/1", has="not drained any")
        self.assertTrue(looked())

    def test_drain_of_a_daemon_that_goes(self):
        self.serve().answers["ListStores"] = fake_server.HANG_UP
        self.refused("drain", "--wait", "default", has="hung up")

    def test_drain_on_a_terminal(self):
        self.drain_and_wait(20, 0)
        controller, terminal = pty.openpty()
        done = subprocess.run(
            [harness.PAGERCTL, "drain", "--wait", "default/1"], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal,
            timeout=harness.LIMIT_SECONDS, check=True)
        os.close(terminal)
        said = os.read(controller, 1000)
        os.close(controller)
        self.assertEqual(said, b"20 pages left\x1b[K\r\x1b[K\r")
        self.assertEqual(done.stdout, b"default/1 is empty\n")

    def test_json_is_refused(self):
        self.serve()
        self.refused("unlink", "index", "--json", has="--json")
        self.refused("limit", "build", "1G", "--json", has="--json")
        self.refused("--json", "run", "true", has="--json")


class Failing(harness.Case):
    ERRORS = [
        (Error("org.pagerd.NoSuchGroup", group="g"), "no group 'g'"),
        (Error("org.pagerd.NoSuchProcess", pid=12), "process 12 is not"),
        (Error("org.pagerd.GroupExists", group="g"), "'g' exists"),
        (Error("org.pagerd.LimitTooSmall", minimum=8 << 20),
         "the least is 8.0M"),
        (Error("org.pagerd.NoSuchStore", store="x", stores=["a", "b\n"]),
         "has these: a, b?"),
        (Error("org.pagerd.NoSuchStore", store="x", stores=["a", 1]),
         "has these: a, ?"),
        (Error("org.pagerd.NoSuchStore", store="x", stores=[]),
         "has these: ?"),
        (Error("org.pagerd.NoOtherTier", store="a"), "tier of 'a'"),
        (Error("org.pagerd.NotPermitted", reason="%s%n"), "%s%n"),
        (Error("org.pagerd.Busy", reason="r\n\x1b"), "busy: r??"),
        (Error("org.pagerd.Failed", reason="why"), "failed: why"),
        (Error("org.pagerd.Failed", reason=[1]), "failed: ?"),
        (Error("org.varlink.service.MethodNotFound", method="org.x.Y"),
         "does not know org.x.Y"),
        (Error("org.varlink.service.InvalidParameter", parameter="limit"),
         "the value of 'limit'"),
        (Error("org.varlink.service.PermissionDenied"), "not permitted"),
        (Error("org.example.Unheard"), "org.example.Unheard"),
        (fake_server.HANG_UP, "hung up"),
        (fake_server.RAW_GARBAGE, "Varlink"),
    ]

    def test_errors_of_the_daemon(self):
        server = self.serve()
        for answer, text in self.ERRORS:
            server.answers["SetLimit"] = answer
            self.refused("limit", "g", "1G", has=text)

    def test_every_command_passes_errors_on(self):
        server = self.serve()
        for name, (args, calls) in READING.items():
            if name == "doctor":
                continue
            server.answers[calls[-1]] = fake_server.HANG_UP
            self.refused(name, *args, has="hung up")
            self.refused(name, *args, "--json", has="hung up")

    def test_no_daemon(self):
        self.env["PAGERCTL_SOCKET"] = self.path("absent")
        self.refused("list", has="No such file")
        self.refused("--socket", self.path("other"), "stats", has="other")
        self.refused("--socket", "x" * 200, "stats", has="too long")

    def test_a_stale_socket(self):
        fake_server.listen(self.path("control")).close()
        self.env["PAGERCTL_SOCKET"] = self.path("control")
        self.refused("list", has="refused")

    def test_socket_option_before_environment(self):
        server = self.serve()
        path = self.env["PAGERCTL_SOCKET"]
        self.env["PAGERCTL_SOCKET"] = self.path("absent")
        self.assertEqual(self.ctl("--socket", path, "list").returncode, 0)
        self.assertEqual(self.ctl("list", "--socket", path).returncode, 0)
        self.assertEqual(len(server.calls), 4)

    def test_answers_that_lack_everything(self):
        server = self.serve()
        for method in list(server.answers):
            server.answers[method] = {}
        for name, (args, _) in READING.items():
            self.assertEqual(self.ctl(name, *args).returncode, 0, name)

    def test_output_that_cannot_be_written(self):
        self.serve()
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = harness.subprocess.run(
                [harness.PAGERCTL, "list"], env=self.env, stdout=full,
                stderr=harness.subprocess.PIPE, text=True, check=False,
                timeout=harness.LIMIT_SECONDS)
        self.assertEqual(done.returncode, 125)
        self.assertIn("standard output", done.stderr)


class BadInput(harness.Case):
    LINES = [
        ([], "no command given"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["--frobnicate", "list"], "'--frobnicate'"),
        (["list", "--frobnicate"], "'--frobnicate'"),
        (["list", "-x"], "'-x'"),
        (["list", "--limit", "1G"], "'--limit'"),
        (["list", "more"], "too many"),
        (["--socket"], "no value for '--socket'"),
        (["show"], "too few"),
        (["show", "abc"], "'abc' is not a process id"),
        (["show", "-1"], "'-1'"),
        (["show", "0"], "'0'"),
        (["show", "99999999999999999999"], "not a process id"),
        (["regions", "12x"], "'12x'"),
        (["map"], "too few"),
        (["map", "x"], "'x' is not a process id"),
        (["map", "1", "--width", "23"], "'23'"),
        (["map", "1", "--width", "1001"], "'1001'"),
        (["map", "1", "--width", "80x"], "'80x'"),
        (["map", "1", "--width", ""], "''"),
        (["map", "1", "--color", "red"], "'red'"),
        (["map", "1", "--svg"], "no value for '--svg'"),
        (["regions", "1", "--svg", "x"], "'--svg'"),
        (["check", ""], "''"),
        (["limit", "build"], "too few"),
        (["limit", "build", "lots"], "'lots' is not a size"),
        (["limit", "build", "--", "-5"], "'-5' is not a size"),
        (["limit", "build", "99999999T"], "too large"),
        (["limit", "build", "9223372036854775808"], "too large"),
        (["reclaim", "build", "none"], "'none' is not a size"),
        (["shared", "more"], "too many"),
        (["unlink"], "too few"),
        (["unlink", "one", "two"], "too many"),
        (["stores", "more"], "too many"),
        (["stores", "--interval", "soon"], "'soon' is no time"),
        (["stores", "--interval", "-1"], "'-1' is no time"),
        (["stores", "--interval", "3601"], "up to 3600"),
        (["stores", "--interval", "1", "--json"], "leave out --interval"),
        (["drain"], "too few"),
        (["drain", "a", "b"], "too many"),
        (["drain", "a/"], "'a/' names no tier"),
        (["drain", "a/x"], "'a/x' names no tier"),
        (["drain", "a/1/2"], "'a/1/2' names no tier"),
        (["drain", "a/-1"], "'a/-1' names no tier"),
        (["drain", "a/100"], "'a/100' names no tier"),
        (["drain", "--wait", "--cancel", "a"], "leave out --wait"),
        (["drain", "a", "--json"], "'--json'"),
        (["log-level", "loud"], "'loud' is not a log level"),
        (["help", "frobnicate"], "no command 'frobnicate'"),
        (["run"], "too few"),
        (["run", "--"], "too few"),
        (["run", "--limit", "big", "true"], "'big' is not a size"),
        (["run", "--limit", "true"], "too few"),
        (["run", "--frobnicate", "true"], "'--frobnicate'"),
        (["run", "--private", "--socket", "x", "true"], "--private"),
        (["run", "--summary=/nonexistent/x", "true"], "/nonexistent/x"),
    ]

    def test_lines(self):
        server = self.serve()
        for args, text in self.LINES:
            with self.subTest(args):
                self.refused(*args, has=text)
        self.assertEqual(server.calls, [])


if __name__ == "__main__":
    harness.main()
