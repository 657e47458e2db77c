#!/usr/bin/env python3
"""blackbox.py PAGERD [systemd|none]: the control plane, from outside

PAGERD is the daemon with a fault plane that only keeps lists (fake-plane.c).
Both sockets are driven with what is right, wrong, cut short and too much;
after each test the daemon must have as many descriptors as before, and must
end cleanly.  Every wait has an end.
"""
import array
import ctypes
import errno
import fcntl
import json
import mmap
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

WAIT = 20  # seconds, for anything that must happen
NOBODY = 65534
MIB = 1 << 20
PAGE = 4096

WELCOME, HELLO, READY, REFUSED, DONE = 1, 2, 3, 4, 9
EXEC, FORK = 1, 2
WISH_CHILD, WISH_SCAN, WISH_OVER, WISH_MODEL, WISH_ANSWER = 1, 2, 3, 4, 5
VERSION = 3
HEADER = struct.Struct('=HHI')
HELLO_BODY = struct.Struct('=II16s16sQQQQQ')
REQUEST, REPLY = 12, 13
(OPEN, MAP, CLONE, EXTEND, ARM, UNMAP, SNAPSHOT, DROP, UNLINK, QUERY,
 ADVISE, MAP_FILE) = range(1, 13)
MAP_SHARED, MAP_CREATE, MAP_FIXED = 1, 2, 16
REQUEST_BODY = struct.Struct('=IIQQQQQ64s')
REPLY_BODY = struct.Struct('=iIQQQQQQQII16s')
ARENA = 0x200000000000
PR_SET_DUMPABLE = 4
USERFAULTFD_IOC_NEW = 0xaa00
FILES = ('self/mem', 'self/pagemap', 'self/maps', 'self/smaps',
         'self/smaps_rollup', 'thread-self/statm')

PAGERD = NOTIFY = None


def until(what, condition):
    """There is no event to wait for: asks again until it is so."""
    end = time.monotonic() + WAIT
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('in vain: ' + what)
        time.sleep(0.01)


class Varlink:
    def __init__(self, path=None, sock=None):
        if sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.connect(path)
            except OSError:
                sock.close()
                raise
        self.sock = sock
        self.sock.settimeout(WAIT)
        self.rest = b''

    def send(self, method, parameters=None, **flags):
        call = {'method': method, **flags}
        if parameters is not None:
            call['parameters'] = parameters
        self.sock.sendall(json.dumps(call).encode() + b'\0')

    def receive(self):
        while b'\0' not in self.rest:
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError
            self.rest += piece
        message, self.rest = self.rest.split(b'\0', 1)
        return json.loads(message)

    def raw(self, method, parameters=None):
        self.send(method, parameters)
        return self.receive()

    def __call__(self, method, /, **parameters):
        reply = self.raw('org.pagerd.' + method, parameters)
        if 'error' in reply:
            raise Failure(reply)
        return reply['parameters']

    def close(self):
        self.sock.close()


class Failure(Exception):
    def __init__(self, reply):
        super().__init__(repr(reply))
        self.name = reply['error'].rsplit('.', 1)[1]
        self.parameters = reply['parameters']


class Client:
    """A shim, in the process that makes it."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(WAIT)
        self.sock.connect(path)
        data, fds, flags, _ = socket.recv_fds(self.sock, 64, 4)
        assert HEADER.unpack(data) == (VERSION, WELCOME, 8), data
        assert len(fds) == 1 and flags & socket.MSG_CTRUNC == 0
        self.device = fds[0]
        self.area = mmap.mmap(-1, 2 * MIB, mmap.MAP_PRIVATE)
        self.anchor = mmap.mmap(-1, 4 * PAGE, mmap.MAP_PRIVATE)

    @staticmethod
    def address(mapping):
        at = ctypes.c_char.from_buffer(mapping)
        address = ctypes.addressof(at)
        del at
        return address

    def fds(self, kind=EXEC):
        fds = [os.open('/proc/' + f, os.O_RDONLY) for f in FILES]
        if kind == EXEC:
            fds.append(fcntl.ioctl(self.device, USERFAULTFD_IOC_NEW,
                                   os.O_CLOEXEC))
        return fds

    def packet(self, token, kind=EXEC, space=0, version=VERSION, **change):
        area = self.address(self.area)
        v = dict(kind=kind, tid=0, token=bytes.fromhex(token),
                 space_token=b'', space=space, area=area, length=2 * MIB,
                 stage=area + MIB, anchor=self.address(self.anchor))
        v.update(change)
        body = HELLO_BODY.pack(*v.values())
        return HEADER.pack(version, HELLO, 8 + len(body)) + body

    def hello(self, token, kind=EXEC, packet=None, fds=None, **change):
        """=> (READY, space id) or (REFUSED, reason)"""
        own = self.fds(kind) if fds is None else []
        if packet is None:
            packet = self.packet(token, kind, **change)
        rights = array.array('i', own if fds is None else fds)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
        self.sock.sendmsg([packet], control if len(rights) else [])
        for fd in own:
            os.close(fd)
        return self.receive()

    def receive(self):
        data = self.sock.recv(4096)
        if not data:
            return None, None
        kind = HEADER.unpack(data[:8])[1]
        if kind == REFUSED:
            return kind, data[8:].split(b'\0')[0].decode()
        return kind, struct.unpack('=Q', data[8:16])[0]

    def wish(self, what):
        self.sock.send(HEADER.pack(VERSION, DONE, 16) +
                       struct.pack('=Ii', 0, what))

    def close(self):
        self.sock.close()
        os.close(self.device)
        self.area.close()
        self.anchor.close()


def name_of(result):
    return errno.errorcode.get(-result, 'done')


class Session:
    """A connection of libpagerd, of the process that makes it."""

    def __init__(self, path=None, sock=None):
        self.sock = sock or socket.socket(socket.AF_UNIX,
                                          socket.SOCK_SEQPACKET)
        self.sock.settimeout(WAIT)
        if sock is None:
            self.sock.connect(path)
            data, fds, _, _ = socket.recv_fds(self.sock, 64, 4)
            assert HEADER.unpack(data) == (VERSION, WELCOME, 8), data
            os.close(fds[0])

    @staticmethod
    def packet(op, name=b'', flags=0, addr=0, length=0, offset=0, *,
               version=VERSION, kind=REQUEST):
        body = REQUEST_BODY.pack(op, flags, ARENA, 1 << 40, addr, length,
                                 offset, name)
        return HEADER.pack(version, kind, 8 + len(body)) + body

    def send(self, *request, **change):
        self.sock.send(self.packet(*request, **change))

    def receive(self):
        """=> the reply with its name for results, and what came with it"""
        data, fds, flags, _ = socket.recv_fds(self.sock, 4096, 4)
        if not data:
            raise EOFError
        assert flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC) == 0
        assert HEADER.unpack(data[:8]) == (VERSION, REPLY, len(data)), data
        values = REPLY_BODY.unpack(data[8:])
        reply = dict(zip(('result', 'flags', 'addr', 'len', 'offset',
                          'region', 'resident', 'out', 'shared', 'users'),
                         values))
        reply['memory'] = None
        assert len(fds) <= 1
        for fd in fds:
            reply['memory'] = os.pread(fd, 100, 0).decode()
            os.close(fd)
        return reply

    def __call__(self, *request):
        self.send(*request)
        return self.receive()

    def result(self, *request):
        return name_of(self(*request)['result'])

    def ended(self):
        """=> the daemon has closed it"""
        try:
            return self.sock.recv(1) == b''
        except ConnectionResetError:  # something of ours was not read
            return True

    def close(self):
        self.sock.close()


class Daemon:
    """env and config go in, a running daemon comes out."""

    def __init__(self, *args, config='', env=None, directory=None, fds=(),
                 preexec=None, ready=True):
        self.directory = directory or tempfile.mkdtemp(prefix='pagerd-test.')
        self.own = directory is None
        os.chmod(self.directory, 0o755)
        self.control = self.directory + '/control'
        self.client = self.directory + '/client'
        path = self.directory + '/pagerd.conf'
        with open(path, 'w', encoding='utf-8') as f:
            f.write(config)
        self.log = []
        self.news = threading.Condition()
        self.closed = False
        command = [PAGERD, '--config', path, '--socket-dir', self.directory,
                   '--log-level', 'debug', *args]

        def prepare():
            for number, fd in enumerate(fds):
                os.dup2(fd, 3 + number)
            if preexec:
                preexec()

        environ = {**os.environ, **(env or {})}
        if fds:  # the shell's pid becomes the daemon's
            environ['LISTEN_FDS'] = str(len(fds))
            environ['LISTEN_FDNAMES'] = 'client:control'
            command = ['/bin/sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh',
                       *command]
        self.process = subprocess.Popen(
            command, env=environ, stderr=subprocess.PIPE, text=True,
            pass_fds=range(3, 3 + len(fds)), preexec_fn=prepare)
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if ready:
            self.expect('ready:')

    def read_log(self):
        for line in self.process.stderr:
            with self.news:
                self.log.append(line.rstrip('\n'))
                self.news.notify_all()
        with self.news:
            self.closed = True
            self.news.notify_all()

    def expect(self, text):
        with self.news:
            found = self.news.wait_for(
                lambda: self.closed or any(text in x for x in self.log), WAIT)
        assert found and any(text in x for x in self.log), (text, self.log)

    def fds(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def end(self):
        """=> exit status, after it has ended by itself"""
        status = self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.process.stderr.close()
        if self.own:
            shutil.rmtree(self.directory)
        for line in self.log:  # a sanitizer's
            assert 'runtime error' not in line, self.log
            assert 'Sanitizer' not in line, self.log
        return status

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if self.process.poll() is None:
            if kind is not None:
                print('\n'.join(self.log), file=sys.stderr)
                self.process.kill()
            status = self.stop()
            assert kind is not None or status == 0, (status, self.log)


def connect_as(uid, path):
    """A control connection whose credentials are those of uid."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(path)
            socket.send_fds(theirs, [b'x'], [sock.fileno()])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    ours.settimeout(WAIT)
    _, fds, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    theirs.close()
    return Varlink(sock=socket.socket(fileno=fds[0]))


class Command(unittest.TestCase):
    def run_it(self, *args, **env):
        return subprocess.run([PAGERD, *args], text=True, capture_output=True,
                              timeout=WAIT, check=False,
                              env={**os.environ, **env})

    def test_version_and_help(self):
        self.assertRegex(self.run_it('--version').stdout,
                         r'^pagerd \d+\.\d+\.\d+\n$')
        text = self.run_it('--help').stdout
        for option in ('foreground', 'config', 'socket-dir', 'user',
                       'private', 'store', 'log-level', 'version', 'help'):
            self.assertIn('--' + option, text)

    def one_line(self, run):
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stdout, '')
        self.assertEqual(run.stderr.count('\n'), 1, run.stderr)
        return run.stderr

    def test_bad_options(self):
        self.assertIn('--nonsense', self.one_line(self.run_it('--nonsense')))
        self.assertIn('extra', self.one_line(self.run_it('extra')))
        self.one_line(self.run_it('--config'))
        self.assertIn('loud',
                      self.one_line(self.run_it('--log-level', 'loud')))
        self.assertIn('/nonexistent',
                      self.one_line(self.run_it('--config', '/nonexistent')))

    def test_bad_config(self):
        with tempfile.NamedTemporaryFile('w') as f:
            f.write('[daemon]\nlog-level = info\n[group x]\nlimit = 3\n')
            f.flush()
            self.assertIn(f'{f.name}:4: "3"',
                          self.one_line(self.run_it('--config', f.name)))

    def test_missing_feature(self):
        text = self.one_line(self.run_it(PAGERD_MASK_FEATURES='move'))
        self.assertIn('Linux 6.8', text)
        text = self.one_line(self.run_it(PAGERD_MASK_FEATURES='userfaultfd'))
        self.assertIn('/dev/userfaultfd', text)
        self.assertIn('pagerctl doctor', text)

    def test_bad_store(self):
        with tempfile.TemporaryDirectory() as d:
            text = self.one_line(self.run_it(
                '--private', '--socket-dir', d, '--store', 'floppy'))
            self.assertIn('floppy', text)
            self.assertEqual(os.listdir(d), [])

    def test_bad_stores(self):
        bad = {
            '[daemon]\nstore = fats\n[store fast]\nspec = ram\n': (
                'store default, tier 0', "'fats'", 'these: default, fast'),
            '[store a]\nspec = ram\n[store b]\nspec = ram,floppy:x,ram\n': (
                'store b, tier 1', "'floppy'"),
            '[group g]\nstore = b\n[store a]\nspec = ram\n': (
                'group g', '"b"', 'one of default, a'),
            '[store a]\nspec = ram,\n': (':2: tier 1 has no name',),
            ''.join(f'[store s{i}]\nspec = ram, ram\n'
                    for i in range(16)): ('33 tiers', '31'),
            '[store a]\nspec = http://u:secret@h,nbdx://u:secret@h,\n': (
                'tier 2',)}
        with tempfile.TemporaryDirectory() as d:
            for config, texts in bad.items():
                path = os.path.join(d, 'config')
                with open(path, 'w', encoding='ascii') as f:
                    f.write(config)
                line = self.one_line(self.run_it(
                    '--config', path, '--socket-dir', d))
                for text in texts:
                    self.assertIn(text, line)
                self.assertNotIn('secret', line)
                self.assertEqual(os.listdir(d), ['config'])

    def test_no_directory(self):
        text = self.one_line(self.run_it('--private', '--user',
                                         XDG_RUNTIME_DIR='/nonexistent/x'))
        self.assertIn('/nonexistent/x/pagerd', text)

    def test_second_daemon(self):
        with Daemon() as d:
            run = self.run_it('--private', '--socket-dir', d.directory)
            text = self.one_line(run)
            self.assertIn(f'pid {d.process.pid} serves', text)
            with Varlink(d.control).sock:
                pass  # it is still there
        with tempfile.TemporaryDirectory() as directory:
            d = Daemon(directory=directory)
            d.process.kill()
            d.end()
            self.assertTrue(os.path.exists(d.control))
            with Daemon(directory=directory):
                for path in (d.control, d.client):
                    self.assertEqual(
                        stat.S_IMODE(os.stat(path).st_mode), 0o666)
            self.assertEqual(os.listdir(directory), ['pagerd.conf'])


class Running(unittest.TestCase):
    """Each test gets a daemon, and must leave it as it was."""

    config = '[daemon]\nclient-timeout = 1\n'

    def setUp(self):
        self.d = Daemon(config=self.config)
        self.call = Varlink(self.d.control)
        self.call('GetVersion')
        self.base = self.d.fds()

    def tearDown(self):
        try:
            until('descriptors are back',
                  lambda: self.call('GetVersion') and
                  self.d.fds() == self.base)
        finally:
            self.call.close()
            status = self.d.stop()
        self.assertEqual(status, 0, self.d.log)

    def fails(self, error, method, call=None, /, **parameters):
        with self.assertRaises(Failure) as caught:
            (call or self.call)(method, **parameters)
        self.assertEqual(caught.exception.name, error)
        return caught.exception.parameters

    def group(self, call=None, name=None, limit=0, ephemeral=False):
        return (call or self.call)('CreateGroup', name=name, limit=limit,
                                   ephemeral=ephemeral)

    def groups(self, call=None):
        return [g['name'] for g in (call or self.call)('ListGroups')['groups']]


class Wire(Running):
    def test_service(self):
        info = self.call.raw('org.varlink.service.GetInfo')['parameters']
        self.assertEqual(info['interfaces'],
                         ['org.varlink.service', 'org.pagerd'])
        here = os.path.dirname(os.path.abspath(__file__))
        path = here + '/../../src/tbl/org.pagerd.varlink'
        with open(path, encoding='ascii') as f:
            expected = f.read()
        text = self.call.raw('org.varlink.service.GetInterfaceDescription',
                             {'interface': 'org.pagerd'})
        self.assertEqual(text['parameters']['description'], expected)
        # Every method of the interface is there.
        for method in re.findall(r'^method (\w+)', expected, re.M):
            reply = self.call.raw('org.pagerd.' + method, {'no such': 1})
            self.assertEqual(reply['error'],
                             'org.varlink.service.InvalidParameter', method)
        reply = self.call.raw('org.varlink.service.GetInterfaceDescription',
                              {'interface': 'org.example'})
        self.assertEqual(reply, {
            'error': 'org.varlink.service.InterfaceNotFound',
            'parameters': {'interface': 'org.example'}})

    def test_unknown(self):
        self.assertEqual(self.call.raw('org.pagerd.Nonsense'), {
            'error': 'org.varlink.service.MethodNotFound',
            'parameters': {'method': 'org.pagerd.Nonsense'}})
        self.assertEqual(self.call.raw('org.example.GetVersion'), {
            'error': 'org.varlink.service.InterfaceNotFound',
            'parameters': {'interface': 'org.example'}})
        for method in ('', '.', 'nodots', 'org.pagerd.', '.GetVersion'):
            self.assertIn('error', self.call.raw(method))

    def test_parameters(self):
        for bad, parameters in (
                ('limit', {'name': 'x', 'ephemeral': False}),
                ('limit', {'limit': -1, 'ephemeral': False}),
                ('limit', {'limit': '1G', 'ephemeral': False}),
                ('limit', {'limit': 1.5, 'ephemeral': False}),
                ('ephemeral', {'limit': 0, 'ephemeral': 1}),
                ('ephemeral', {'limit': 0, 'ephemeral': None}),
                ('name', {'name': 7, 'limit': 0, 'ephemeral': False}),
                ('name', {'name': '', 'limit': 0, 'ephemeral': False}),
                ('name', {'name': 'a b', 'limit': 0, 'ephemeral': False}),
                ('name', {'name': 'x' * 64, 'limit': 0, 'ephemeral': False}),
                ('more', {'limit': 0, 'ephemeral': False, 'more': 1})):
            reply = self.call.raw('org.pagerd.CreateGroup', parameters)
            self.assertEqual(reply, {
                'error': 'org.varlink.service.InvalidParameter',
                'parameters': {'parameter': bad}})
        self.assertEqual(self.groups(), [])

    def test_pipelined(self):
        request = b''
        for i in range(300):
            method = ('GetVersion', 'GetStats', 'ListGroups')[i % 3]
            request += json.dumps({'method': 'org.pagerd.' + method,
                                   'more': i % 2 == 0}).encode() + b'\0'
        self.call.sock.sendall(request)
        for i in range(300):
            reply = self.call.receive()['parameters']
            self.assertIn(('version', 'counters', 'groups')[i % 3], reply)

    def test_oneway(self):
        self.call.send('org.pagerd.CreateGroup', {
            'name': 'quiet', 'limit': 0, 'ephemeral': False}, oneway=True)
        self.call.send('org.pagerd.Nonsense', oneway=True)
        self.call.send('org.pagerd.GetVersion', oneway=True)
        self.assertEqual(self.groups(), ['quiet'])

    def test_in_pieces(self):
        message = b'{"method": "org.pagerd.GetVersion"}\0' * 2
        for i in range(len(message)):
            self.call.sock.sendall(message[i:i + 1])
        for _ in range(2):
            self.assertIn('version', self.call.receive()['parameters'])

    def closed_by(self, data):
        other = Varlink(self.d.control)
        try:
            other.sock.sendall(data)
            self.assertEqual(other.sock.recv(1), b'')
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            other.close()

    def test_not_varlink(self):
        for data in (b'\0', b'GET / HTTP/1.0\r\n\r\n\0', b'[]\0', b'7\0',
                     b'{"method": 1}\0', b'{}\0', b'{"method": "\xff"}\0',
                     b'{"method": "x", "parameters": []}\0',
                     b'[' * 100000 + b'\0'):
            self.closed_by(data)
        self.closed_by(b'x' * (MIB + 70000))

    def test_long_request(self):
        self.call.send('org.pagerd.GetGroup', {'group': 'x' * (MIB - 200)})
        self.assertEqual(self.call.receive()['error'],
                         'org.pagerd.NoSuchGroup')

    def test_half_open(self):
        others = [Varlink(self.d.control) for _ in range(50)]
        for i, other in enumerate(others):
            other.sock.sendall(b'{"method": "org.pagerd.GetVersion"}'[:i])
        self.call('GetVersion')
        # Gone while the daemon works for it.
        for other in others[::2]:
            other.close()
        leaving = Varlink(self.d.control)
        for _ in range(100):
            leaving.send('org.pagerd.ListSpaces')
        leaving.close()
        for other in others[1::2]:
            other.close()

    def test_no_reader(self):
        """A caller that does not read its replies holds up only itself."""
        deaf = Varlink(self.d.control)
        deaf.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            for _ in range(100000):
                deaf.send('org.varlink.service.GetInterfaceDescription',
                          {'interface': 'org.pagerd'})
        self.call('GetVersion')
        deaf.close()


class Groups(Running):
    def test_create(self):
        made = self.group(name='a', limit=64 * MIB)
        self.assertEqual(made['client_socket'], self.d.client)
        self.assertRegex(made['token'], '^[0-9a-f]{32}$')
        group = made['group']
        self.assertEqual((group['name'], group['uid'], group['limit']),
                         ('a', 0, 64 * MIB))
        self.assertFalse(group['adopted'])
        self.assertIsNone(group['store'])  # there is only one
        self.assertEqual(self.call('GetGroup', group='a')['group'], group)
        self.assertEqual(self.fails('GroupExists', 'CreateGroup', name='a',
                                    limit=0, ephemeral=False),
                         {'group': 'a'})
        unnamed = self.group()['group']['name']
        self.assertRegex(unnamed, r'^run-\d+$')
        self.assertEqual(self.groups(), ['a', unnamed])
        self.call('CloseGroup', group='a')
        self.assertEqual(self.groups(), [unnamed])
        self.fails('NoSuchGroup', 'CloseGroup', group='a')
        self.group(name='a')

    def test_name_clash_in_flight(self):
        for _ in range(2):
            self.call.send('org.pagerd.CreateGroup', {
                'name': 'one', 'limit': 0, 'ephemeral': False})
        other = Varlink(self.d.control)
        other.send('org.pagerd.CreateGroup', {
            'name': 'one', 'limit': 0, 'ephemeral': False})
        replies = [c.receive() for c in (self.call, self.call, other)]
        other.close()
        self.assertEqual(sum('error' in r for r in replies), 2)

    def test_limits(self):
        self.assertEqual(self.fails('LimitTooSmall', 'CreateGroup', limit=1,
                                    ephemeral=False), {'minimum': 8 * MIB})
        self.group(name='a', limit=8 * MIB)
        self.fails('LimitTooSmall', 'SetLimit', group='a', limit=4096)
        self.call('SetLimit', group='a', limit=9 * MIB)
        self.assertEqual(self.call('GetGroup', group='a')['group']['limit'],
                         9 * MIB)
        self.call('SetLimit', group='a', limit=0)
        self.fails('NoSuchGroup', 'SetLimit', group='b', limit=0)
        self.assertEqual(self.call('Reclaim', group='a', bytes=MIB),
                         {'bytes': 4096})

    def test_ephemeral(self):
        other = Varlink(self.d.control)
        made = self.group(other, 'brief', ephemeral=True)
        self.group(other, 'lasting')
        client = Client(self.d.client)
        self.assertEqual(client.hello(made['token'])[0], READY)
        other.close()
        # Its last program still runs.
        self.fails('Busy', 'CloseGroup', group='brief')
        client.close()
        until('the group ends', lambda: self.groups() == ['lasting'])

    def test_ephemeral_orphaned_early(self):
        other = Varlink(self.d.control)
        other.send('org.pagerd.CreateGroup', {
            'name': 'early', 'limit': 0, 'ephemeral': True})
        other.close()
        until('the group ends', lambda: self.groups() == [])

    def test_many(self):
        for i in range(40):
            self.group(name=f'g{i}')
        self.assertEqual(len(self.groups()), 40)

    def latencies(self, service, wait):
        """Of service there is one of each nanosecond up to 1000."""
        buckets = service.pop('buckets')
        self.assertEqual(buckets[:32], [
            {'upper_ns': n, 'count': 1} for n in range(1, 32)] + [
                {'upper_ns': 33, 'count': 2}])
        self.assertEqual(buckets[-1], {'upper_ns': 1023, 'count': 9})
        self.assertEqual(sum(b['count'] for b in buckets), 1000)
        self.assertEqual(service, {
            'count': 1000, 'mean_ns': 500, 'p50_ns': 511, 'p90_ns': 927,
            'p99_ns': 991, 'p999_ns': 1000, 'max_ns': 1000})
        one = 1 << 20
        self.assertEqual(wait, {
            'count': 1, 'mean_ns': one, 'p50_ns': one, 'p90_ns': one,
            'p99_ns': one, 'p999_ns': one, 'max_ns': one,
            'buckets': [{'upper_ns': one + (one >> 4) - 1, 'count': 1}]})

    def test_information(self):
        version = self.call('GetVersion')
        self.assertEqual(version['pid'], self.d.process.pid)
        self.assertFalse(version['private'])
        stats = self.call('GetStats')
        self.assertEqual(stats['counters']['zero_fills'], 3)
        self.assertEqual(stats['store']['name'], 'ram')
        self.assertEqual(stats['store']['saved'], 21)
        self.assertEqual(set(stats['usage'].values()), {0})
        self.latencies(**stats['latency'])
        group = self.group(name='g')['group']
        self.assertEqual((group['stored_pages'], group['stored_bytes']),
                         (11, 22))
        findings = self.call('Diagnose')['findings']
        self.assertIn('move', [f['name'] for f in findings])
        check = self.call('Check')
        self.assertEqual((check['problems'], check['lines']),
                         (1, ['a problem']))
        self.call('SetLogLevel', level='info')
        reply = self.call.raw('org.pagerd.SetLogLevel', {'level': 'loud'})
        self.assertEqual(reply['parameters'], {'parameter': 'level'})

    def test_permissions(self):
        nobody = connect_as(NOBODY, self.d.control)
        mine = self.group(name='roots')
        client = Client(self.d.client)
        self.assertEqual(client.hello(mine['token'])[0], READY)
        pid = os.getpid()
        for method, parameters in (
                ('GetGroup', {'group': 'roots'}),
                ('CloseGroup', {'group': 'roots'}),
                ('SetLimit', {'group': 'roots', 'limit': 0}),
                ('Reclaim', {'group': 'roots', 'bytes': 1}),
                ('ListSpaces', {'group': 'roots'}),
                ('GetSpace', {'pid': pid}), ('ListRegions', {'pid': pid}),
                ('MapSpace', {'pid': pid}),
                ('MapSpace', {'pid': pid, 'from': 1}),
                ('Check', {'pid': pid}), ('Check', {}),
                ('SetLogLevel', {'level': 'debug'})):
            self.fails('NotPermitted', method, nobody, **parameters)
        self.assertEqual(self.groups(nobody), [])
        self.assertEqual(nobody('ListSpaces')['spaces'], [])
        theirs = self.group(nobody, name='theirs', limit=8 * MIB)
        self.assertEqual(theirs['group']['uid'], NOBODY)
        self.assertEqual(self.groups(nobody), ['theirs'])
        nobody('SetLimit', group='theirs', limit=16 * MIB)
        nobody('Diagnose')
        nobody('GetVersion')
        nobody('GetStats')
        # Root sees all; and who has the token may join.
        self.assertEqual(self.groups(), ['roots', 'theirs'])
        joined = Client(self.d.client)
        self.assertEqual(joined.hello(theirs['token'])[0], READY)
        spaces = until('it is seen', lambda: nobody('ListSpaces')['spaces'])
        self.assertEqual([s['group'] for s in spaces], ['theirs'])
        for c in (client, joined, nobody):
            c.close()


class Configured(Running):
    config = ('[daemon]\nclient-timeout = 1\n[group batch]\nlimit = 1G\n'
              f'uid = {NOBODY}\n[group other]\nlimit = 0\n')

    def test_groups(self):
        groups = self.call('ListGroups')['groups']
        self.assertEqual([(g['name'], g['uid'], g['limit']) for g in groups],
                         [('batch', NOBODY, 1 << 30), ('other', 0, 0)])


class Stores(Running):
    """Of the fake plane: each group has one page in its store."""

    config = ('[daemon]\nclient-timeout = 1\nstore = swap\n'
              '[group batch]\nstore = tmp\n[group other]\nlimit = 0\n'
              '[store tmp]\nspec = ram:1G\n'
              '[store swap]\nspec = ram:8M,\n  ram:16M#x=1+y,\n'
              '  nbds://me:secret@host/export?a=b\n')

    def pages(self, call=None):
        return {f'{s["name"]}/{s["tier"]}': s['pages']
                for s in (call or self.call)('ListStores')['stores']}

    def drain(self, store, tier, on=True):
        self.call('DrainStore', store=store, tier=tier, on=on)

    def test_list(self):
        stores = self.call('ListStores')['stores']
        self.assertEqual(
            [(s['name'], s['tier'], s['default'], s['kind'], s['spec'],
              s['failing'], s['draining']) for s in stores],
            [('swap', 0, True, 'ram', 'ram:8M', False, False),
             ('swap', 1, True, 'ram', 'ram:16M#x=1+y', False, False),
             ('swap', 2, True, 'nbd', 'nbds://me@host/export?a=b', True,
              False),
             ('tmp', 0, False, 'ram', 'ram:1G', False, False)])
        names = ('same_filled', 'incompressible', 'stored', 'used',
                 'capacity', 'stored_pages', 'loaded_pages', 'errors',
                 'demoted', 'promoted', 'reads', 'read_bytes', 'writes',
                 'written_bytes', 'retries', 'moved')
        for store in stores:
            self.assertEqual([store[name] for name in names],
                             list(range(1, 17)))
            self.assertEqual([(store[x]['count'], store[x]['p999_ns'])
                              for x in ('read', 'write')],
                             [(1, 17), (1, 18)])
        self.assertEqual(len(stores[0]), len(names) + 10)
        self.assertNotIn('secret', '\n'.join(self.d.log))

    def test_groups(self):
        self.assertEqual({g['name']: g['store'] for g in
                          self.call('ListGroups')['groups']},
                         {'batch': 'tmp', 'other': 'swap'})
        self.assertEqual(self.pages(), {'swap/0': 1, 'swap/1': 0,
                                        'swap/2': 0, 'tmp/0': 1})
        for name, store in (('a', 'tmp'), ('b', 'swap'), ('c', None)):
            made = self.call('CreateGroup', name=name, limit=0,
                             ephemeral=False, store=store)
            self.assertEqual(made['group']['store'], store or 'swap')
        self.assertEqual(self.call('GetGroup', group='a')['group']['store'],
                         'tmp')
        self.assertEqual(self.pages(), {'swap/0': 3, 'swap/1': 0,
                                        'swap/2': 0, 'tmp/0': 2})

    def test_no_such_store(self):
        for name in ('default', 'swap/0', '', 'ram:8M'):
            self.assertEqual(
                self.fails('NoSuchStore', 'CreateGroup', name='a', limit=0,
                           ephemeral=False, store=name),
                {'store': name, 'stores': ['swap', 'tmp']})
        self.assertEqual(self.groups(), ['batch', 'other'])
        for name, tier in (('default', 0), ('swap', 3), ('tmp', 1 << 62)):
            self.assertEqual(
                self.fails('NoSuchStore', 'DrainStore', store=name,
                           tier=tier, on=True),
                {'store': f'{name}/{tier}',
                 'stores': ['swap/0', 'swap/1', 'swap/2', 'tmp/0']})
        reply = self.call.raw('org.pagerd.DrainStore', {
            'store': 'swap', 'tier': -1, 'on': True})
        self.assertEqual(reply['parameters'], {'parameter': 'tier'})

    def test_drain(self):
        self.drain('swap', 0)
        self.d.expect('store swap, tier 0: it is drained')
        stores = self.call('ListStores')['stores']
        self.assertEqual([s['draining'] for s in stores],
                         [True, False, False, False])
        self.assertEqual(self.pages()['swap/1'], 1)
        self.drain('swap', 1)
        self.assertEqual(self.pages()['swap/2'], 1)
        for store, tier in (('swap', 2), ('tmp', 0)):
            self.assertEqual(
                self.fails('NoOtherTier', 'DrainStore', store=store,
                           tier=tier, on=True), {'store': store})
        self.drain('swap', 0, on=False)
        self.d.expect('store swap, tier 0: it is not drained any more')
        self.drain('swap', 2)
        self.assertEqual(self.pages(), {'swap/0': 1, 'swap/1': 0,
                                        'swap/2': 0, 'tmp/0': 1})

    def test_permissions(self):
        nobody = connect_as(NOBODY, self.d.control)
        for store, on in (('swap', True), ('swap', False), ('x', True)):
            self.fails('NotPermitted', 'DrainStore', nobody, store=store,
                       tier=0, on=on)
        self.assertEqual(self.pages(nobody), self.pages())
        made = nobody('CreateGroup', name='n', limit=0, ephemeral=False,
                      store='tmp')
        self.assertEqual(made['group']['store'], 'tmp')
        nobody.close()


class Clients(Running):
    def setUp(self):
        super().setUp()
        self.token = self.group(name='g')['token']

    def spaces(self):
        return self.call('ListSpaces', group='g')['spaces']

    def test_good(self):
        client = Client(self.d.client)
        kind, space = client.hello(self.token)
        self.assertEqual(kind, READY)
        self.assertEqual(self.call('GetGroup', group='g')['group']['spaces'],
                         1)
        seen = self.call('GetSpace', pid=os.getpid())
        self.assertEqual((seen['space']['id'], seen['space']['pid'],
                          seen['space']['group'], seen['group']['name']),
                         (space, os.getpid(), 'g', 'g'))
        # All of this process: its memory is foreign to the model.
        self.assertGreater(seen['space']['foreign'], MIB)
        self.assertEqual(self.call('ListRegions', pid=os.getpid()),
                         {'regions': []})
        self.assertEqual(self.call('MapSpace', pid=os.getpid()),
                         {'regions': [], 'next': None})
        self.call('Check', pid=os.getpid())
        self.fails('NoSuchProcess', 'GetSpace', pid=1)
        self.fails('NoSuchProcess', 'ListRegions', pid=1 << 40)
        self.fails('NoSuchProcess', 'MapSpace', pid=1)
        self.fails('NoSuchProcess', 'TakeSnapshot', pid=1, name='x')
        # No agent answers for the plane of these tests.
        self.fails('Failed', 'TakeSnapshot', pid=os.getpid(), name='x')
        reply = self.call.raw('org.pagerd.TakeSnapshot', {
            'pid': os.getpid(), 'name': 'no/name'})
        self.assertEqual(reply['parameters'], {'parameter': 'name'})
        self.fails('NoSuchSnapshot', 'DropSnapshot', name='x')
        self.fails('NoSuchSnapshot', 'ExportSnapshot', name='x', fd=1)
        self.assertEqual(self.call('ListSnapshots'), {'snapshots': []})
        for bad in (-1, 1.5, 'x', True):
            reply = self.call.raw('org.pagerd.MapSpace', {
                'pid': os.getpid(), 'from': bad})
            self.assertEqual(reply['parameters'], {'parameter': 'from'})
        client.close()
        until('it is gone', lambda: self.spaces() == [])

    def refused(self, text, token=None, **how):
        client = Client(self.d.client)
        kind, reason = client.hello(token or self.token, **how)
        self.assertEqual(kind, REFUSED)
        self.assertIn(text, reason)
        self.assertEqual(client.receive(), (None, None))
        client.close()
        self.call('GetVersion')

    def test_bad_packets(self):
        client = Client(self.d.client)
        good = client.packet(self.token)
        client.close()
        self.refused('damaged', packet=b'\1')
        self.refused('damaged', packet=good[:-1])
        self.refused('damaged', packet=good[:8])
        self.refused('damaged', packet=good + b'x' * 8)
        self.refused('too long', packet=good + b'x' * 100)
        self.refused('too long', packet=good + b'x' * 60000)
        self.refused('version', version=VERSION + 1)
        self.refused('not HELLO',
                     packet=HEADER.pack(VERSION, DONE, 16) + bytes(8))
        self.refused('kind', kind=3, fds=[])
        self.refused('no such group', token='00' * 16)

    def test_bad_addresses(self):
        for change in (
                {'area': 0}, {'area': 4097}, {'length': 0},
                {'length': (1 << 64) - PAGE}, {'area': (1 << 64) - PAGE},
                {'stage': PAGE}, {'stage': 0}, {'anchor': 0},
                {'anchor': 12345}):
            self.refused('HELLO names', **change)

    def test_bad_descriptors(self):
        client = Client(self.d.client)
        good = client.fds()
        null = os.open('/dev/null', os.O_RDWR)
        plain = os.open('/proc/self/status', os.O_RDONLY)
        with tempfile.TemporaryDirectory() as directory:
            with open(directory + '/mem', 'w', encoding='ascii') as lookalike:
                for i in range(len(good)):
                    for wrong in (null, plain, lookalike.fileno(),
                                  good[(i + 1) % 6]):
                        fds = list(good)
                        fds[i] = wrong
                        self.refused('wrong kind', fds=fds)
        for n in (0, 1, 6, 8, 50, 253):
            self.refused('number', fds=(good * 40)[:n])
        self.refused('number', kind=FORK, fds=good)
        # Descriptors that come with a packet that is too long, too.
        self.refused('too long', fds=good,
                     packet=client.packet(self.token) + b'x' * 100)
        for fd in good + [null, plain]:
            os.close(fd)
        client.close()

    def test_refused_by_the_plane(self):
        token = self.group(name='refuse')['token']
        self.refused('no entry', token=token)
        self.refused('no child', kind=FORK, space=7)

    def test_half_open(self):
        slow = [Client(self.d.client) for _ in range(20)]
        gone = [Client(self.d.client) for _ in range(20)]
        for client in gone:
            client.close()
        quick = Client(self.d.client)
        self.assertEqual(quick.hello(self.token)[0], READY)
        for client in slow:
            kind, reason = client.receive()
            self.assertEqual((kind, reason),
                             (REFUSED, 'no HELLO came in time'))
            self.assertEqual(client.receive(), (None, None))
            client.close()
        self.assertEqual(len(self.spaces()), 1)
        quick.close()

    def test_many(self):
        clients = [Client(self.d.client) for _ in range(200)]
        for client in clients:
            self.assertEqual(client.hello(self.token)[0], READY)
        self.assertEqual(len(self.spaces()), 200)
        self.fails('Busy', 'CloseGroup', group='g')
        for client in clients:
            client.close()
        until('all are gone', lambda: self.spaces() == [])

    def test_fork(self):
        parent = Client(self.d.client)
        parent.hello(self.token)
        parent.wish(WISH_CHILD)
        _, child_id = parent.receive()
        self.assertEqual(len(self.spaces()), 2)
        child = Client(self.d.client)
        self.assertEqual(child.hello('00' * 16, FORK, space=child_id),
                         (READY, child_id))
        # A second time it is no child any more.
        self.refused('no child', kind=FORK, space=child_id)
        child.close()
        parent.close()
        until('both are gone', lambda: self.spaces() == [])

    def test_notices(self):
        client = Client(self.d.client)
        client.hello(self.token)
        client.wish(WISH_OVER)
        client.wish(WISH_SCAN)
        self.d.expect('over its limit')
        self.call('GetVersion')
        lines = [x for x in self.d.log if 'over its limit' in x]
        self.assertLessEqual(len(lines), 5)
        client.close()

    def test_no_second_hello(self):
        """What comes after HELLO is the fault plane's business."""
        client = Client(self.d.client)
        for _ in range(2):
            fds = client.fds()
            socket.send_fds(client.sock, [client.packet(self.token)], fds)
            for fd in fds:
                os.close(fd)
        self.assertEqual(client.receive()[0], READY)
        client.close()
        until('it is gone', lambda: self.spaces() == [])


class Program:
    """A client in a process of its own: see client_main()."""

    def __init__(self, socket_path, token, uid=0):
        self.process = subprocess.Popen(
            [sys.executable, __file__, '--client', socket_path, token,
             str(uid)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.answer()

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], WAIT)
        assert ready, 'the client gives no answer'
        return json.loads(self.process.stdout.readline())

    def ask(self, *command):
        self.process.stdin.write(' '.join(map(str, command)) + '\n')
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        if self.process.returncode is None:
            self.process.stdin.close()
            self.process.wait(WAIT)
            self.process.stdout.close()


def client_main(path, token, uid):
    if uid != 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # Else its files in /proc would be root's.
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    session = None
    client = Client(path)
    kind, _ = client.hello(token)
    assert kind == READY
    kept, pipe = [], None
    say = lambda value: print(json.dumps(value), flush=True)
    say('ready')
    for line in sys.stdin:
        command, *args = line.split()
        if command == 'grow':
            m = mmap.mmap(-1, int(args[0]), mmap.MAP_PRIVATE)
            for i in range(0, len(m), PAGE):
                m[i] = 1
            kept.append(m)
            say(Client.address(m))
        elif command == 'around':
            say([Client.address(client.area), Client.address(client.anchor)])
        elif command == 'wish':
            client.wish(int(args[0]))
            say('sent')
        elif command == 'request':
            session = session or Session(path)
            reply = session(int(args[0]), args[1].encode())
            say([name_of(reply['result']), reply['region']])
        elif command == 'share':
            session = session or Session(path)
            say(session.result(MAP, args[0].encode(),
                               MAP_SHARED | MAP_CREATE, 0, PAGE))
        elif command == 'fork':
            client.wish(WISH_CHILD)
            _, space = client.receive()
            ready, hold = os.pipe(), os.pipe()
            if os.fork() == 0:
                os.close(hold[1])
                child = Client(path)
                kind, _ = child.hello('00' * 16, FORK, space=space)
                os.write(ready[1], b'%d' % kind)
                os.read(hold[0], 1)  # until the parent ends
                os._exit(0)
            os.close(hold[0])
            pipe = hold[1]
            say(int(os.read(ready[0], 10)))
    return pipe


class Watch(Running):
    def setUp(self):
        super().setUp()
        self.programs = []

    def tearDown(self):
        for p in self.programs:
            p.end()
        super().tearDown()

    def program(self, limit, name='w'):
        made = self.group(name=name, limit=limit)
        p = Program(made['client_socket'], made['token'])
        self.programs.append(p)
        return p

    def state(self):
        return self.call('GetGroup', group='w')['group']

    def test_adoption(self):
        p = self.program(96 * MIB)
        p.ask('grow', 30 * MIB)
        until('it is counted', lambda: self.state()['usage'] > 30 * MIB)
        self.assertFalse(self.state()['adopted'])
        self.assertEqual(self.call('ListRegions', pid=p.pid)['regions'], [])
        at = p.ask('grow', 40 * MIB)
        until('it is adopted', lambda: self.state()['adopted'])
        regions = until('ranges are registered', lambda: self.call(
            'ListRegions', pid=p.pid)['regions'])
        self.assertTrue(any(r['start'] <= at and r['end'] >= at + 40 * MIB
                            for r in regions))
        area, anchor = p.ask('around')
        for r in regions:
            self.assertGreaterEqual(r['end'] - r['start'], 16 * PAGE)
            for start, length in ((area, 2 * MIB), (anchor, PAGE)):
                self.assertTrue(r['end'] <= start or
                                r['start'] >= start + length)
        # What grows now is found, too; and beyond "high" the plane is woken.
        p.ask('wish', WISH_MODEL)
        before = self.call('GetStats')['counters']['faults_missing']
        at = p.ask('grow', 40 * MIB)
        until('the new mapping is found', lambda: any(
            r['start'] <= at < r['end']
            for r in self.call('ListRegions', pid=p.pid)['regions']))
        until('the plane is kicked', lambda: self.call('GetStats')[
            'counters']['faults_missing'] > before)
        p.end()
        until('it is gone', lambda: self.state()['spaces'] == 0)

    def adopted(self, name):
        """=> a program with a region of 90 MiB, and that region"""
        p = self.program(96 * MIB, name)
        at = p.ask('grow', 90 * MIB)
        return p, until('it is adopted', lambda: [
            r for r in self.call('ListRegions', pid=p.pid)['regions']
            if r['start'] <= at < r['end']])[0]

    def pieces(self, pid, start=0):
        """=> the answers that make up a map"""
        answers = []
        while start is not None:
            answers.append(self.call('MapSpace', pid=pid, **{'from': start}))
            after, start = start, answers[-1]['next']
            self.assertTrue(start is None or start > after)
        return answers

    def test_map(self):
        p, region = self.adopted('w')
        npages = (region['end'] - region['start']) // PAGE
        answer, = self.pieces(p.pid)
        self.assertEqual(answer, self.call('MapSpace', pid=p.pid))
        seen, = [r for r in answer['regions']
                 if r['start'] == region['start']]
        # The slices that it came in are not seen.
        self.assertEqual(seen, {
            'id': seen['id'], 'start': region['start'], 'end': region['end'],
            'memtype': 'anon', 'resident': 0, 'out': 0, 'clean': 0,
            'from': region['start'], 'runs': [
                {'state': 'compressed', 'pages': 1},
                {'state': 'resident', 'pages': npages - 1}]})
        answer = self.call('MapSpace', pid=p.pid,
                           **{'from': region['end'] - 3 * PAGE})
        self.assertEqual(answer['regions'][0]['from'],
                         region['end'] - 3 * PAGE)
        self.assertEqual(answer['regions'][0]['runs'],
                         [{'state': 'resident', 'pages': 3}])
        p.end()

    def test_map_of_many_runs(self):
        p, region = self.adopted('checkered')
        npages = (region['end'] - region['start']) // PAGE
        answers = self.pieces(p.pid)
        self.assertGreater(len(answers), 1)
        at, states = region['start'], []
        for answer in answers:
            self.assertLess(sum(len(r['runs']) for r in answer['regions']),
                            20000)
            for r in answer['regions']:
                if r['start'] != region['start']:
                    continue
                self.assertEqual(r['from'], at)
                states += [run['state'] for run in r['runs']
                           for _ in range(run['pages'])]
                at += PAGE * sum(run['pages'] for run in r['runs'])
        self.assertEqual(states, ['compressed'] + [
            ('unknown', 'resident')[i % 2] for i in range(1, npages)])
        p.end()

    def costs(self, size):
        """=> what the fake plane says of pages that are `size` together"""
        return {'resident': 0, 'out': size, 'clean': 0, 'total': size,
                'common': size, 'shared': 0, 'proportional': size // 2,
                'stored': size // 4}

    def test_usage(self):
        p, region = self.adopted('w')
        size = region['end'] - region['start']
        # It came in slices.
        self.assertGreater(size, 20 * 1000 * PAGE)
        self.assertEqual(region, {
            'id': region['id'], 'start': region['start'],
            'end': region['end'], 'memtype': 'anon', 'evictable': False,
            **self.costs(size)})
        # The program may map something meanwhile: it stops for that.
        os.kill(p.pid, signal.SIGSTOP)
        regions = self.call('ListRegions', pid=p.pid)['regions']
        starts = [r['start'] for r in regions]
        self.assertEqual(starts, sorted(set(starts)))
        self.assertIn(region, regions)
        costs = self.costs(sum(r['end'] - r['start'] for r in regions))
        space = self.call('GetSpace', pid=p.pid)['space']
        self.assertLessEqual(costs.items(), space.items())
        self.assertEqual(self.call('GetStats')['usage'], costs)
        other = self.program(96 * MIB, 'other')
        other.ask('grow', 90 * MIB)
        until('all are counted', lambda: self.call(
            'GetStats')['usage']['out'] >= costs['out'] + 90 * MIB)
        # A list leaves out what each page would have to be looked at for.
        seen, = self.call('ListSpaces', group='w')['spaces']
        self.assertFalse({'total', 'common', 'shared', 'proportional',
                          'stored'} & set(seen))
        os.kill(p.pid, signal.SIGCONT)
        p.end()
        other.end()

    def test_limit_lowered(self):
        p = self.program(0)
        p.ask('grow', 40 * MIB)
        self.assertGreater(self.state()['usage'], 40 * MIB)
        self.assertFalse(self.state()['adopted'])
        self.call('SetLimit', group='w', limit=32 * MIB)
        until('it is adopted', lambda: self.state()['adopted'])
        p.end()

    def test_scan_on_notice(self):
        p = self.program(1 << 30)
        at = p.ask('grow', 10 * MIB)
        p.ask('wish', WISH_SCAN)
        until('it is found', lambda: any(
            r['start'] <= at < r['end']
            for r in self.call('ListRegions', pid=p.pid)['regions']))
        p.end()

    def test_forked_pages_count_once(self):
        p = self.program(160 * MIB)
        p.ask('grow', 70 * MIB)
        alone = until('it is counted', lambda: self.state()['usage']
                      if self.state()['usage'] > 70 * MIB else 0)
        self.assertEqual(p.ask('fork'), READY)
        self.assertEqual(self.state()['spaces'], 2)
        # The sum of both would be over 140 MiB, and past the mark.
        until('shared pages are known', lambda:
              self.state()['usage'] < alone + 25 * MIB)
        self.assertFalse(self.state()['adopted'])
        p.end()
        until('both are gone', lambda: self.state()['spaces'] == 0)

    def test_idle_is_cheap(self):
        p = self.program(1 << 30)
        p.ask('grow', MIB)

        def cpu():
            with open(f'/proc/{self.d.process.pid}/stat',
                      encoding='ascii') as f:
                return sum(map(int, f.read().split()[13:15]))

        before = cpu()
        time.sleep(1)  # what is measured is how little happens
        self.assertLessEqual(cpu() - before, 3)
        p.end()


class WithSessions(Running):
    def setUp(self):
        super().setUp()
        self.open = []
        self.token = self.group(name='g')['token']

    def tearDown(self):
        for x in self.open:
            x.close()
        super().tearDown()

    def session(self, **how):
        self.open.append(Session(self.d.client, **how))
        return self.open[-1]

    def client(self, token=None):
        """=> this process is managed"""
        self.open.append(Client(self.d.client))
        kind, space = self.open[-1].hello(token or self.token)
        self.assertEqual(kind, READY)
        self.open[-1].space = space
        return self.open[-1]


class Sessions(WithSessions):
    def test_unmanaged(self):
        s = self.session()
        for op in (*range(13), 1 << 31):
            self.assertEqual(s.result(op), 'ESRCH')
        # As soon as its agent has come it is managed, and as long.
        client = self.client()
        self.assertEqual(s.result(OPEN), 'done')
        self.open.remove(client)
        client.close()
        until('it is not managed', lambda: s.result(OPEN) == 'ESRCH')
        self.assertEqual(s.result(QUERY), 'ESRCH')

    def test_open(self):
        client, s = self.client(), self.session()
        self.assertEqual(s(OPEN), {
            'result': 0, 'flags': 0, 'addr': 0, 'len': 0, 'offset': 0,
            'region': 0, 'resident': 0, 'out': 0, 'shared': 0, 'users': 0,
            'memory': None})
        self.assertEqual(s(QUERY)['region'], client.space)
        # It is a session for the fault plane to tell what there is not.
        self.assertEqual(s.result(99), 'ENOTSUP')
        # Two of them, and no space more.
        self.assertEqual(self.session().result(OPEN), 'done')
        self.assertEqual(len(self.call('ListSpaces')['spaces']), 1)

    def test_newest_space(self):
        """What came before exec may still be there, with the same pid."""
        old, new = self.client(), self.client()
        self.assertLess(old.space, new.space)
        self.assertEqual(self.session()(QUERY)['region'], new.space)

    def test_map(self):
        self.client()
        s = self.session()
        reply = s(MAP, b'', 0, 0, 3 * PAGE)
        self.assertEqual((reply['result'], reply['addr'], reply['len'],
                          reply['memory']), (0, ARENA, 3 * PAGE, None))
        for _ in range(100):
            reply = s(MAP, b'common', MAP_SHARED, 0, 2 * PAGE, PAGE)
            self.assertEqual((reply['result'], reply['offset'],
                              reply['memory']), (0, PAGE, 'common'))
        self.assertEqual(s.result(MAP), 'EINVAL')
        # No descriptor comes with an error, and none is left.
        reply = s(MAP, b'common', MAP_SHARED | MAP_FIXED, 0, PAGE)
        self.assertEqual((reply['result'], reply['memory']),
                         (-errno.EEXIST, None))

    def map_file(self, s, fds, flags=0):
        socket.send_fds(s.sock, [Session.packet(MAP_FILE, b'', flags, 0,
                                                PAGE)], fds)
        return s.receive()

    def test_map_file(self):
        self.client()
        s = self.session()
        path = os.path.join(self.d.directory, 'image')
        with open(path, 'w', encoding='ascii') as file:
            file.write('what is in it')
        os.utime(path, ns=(10**9, 1234567890123456789))
        for mode in (os.O_RDONLY, os.O_RDWR):
            fd = os.open(path, mode)
            stat = os.fstat(fd)
            for _ in range(100):
                reply = self.map_file(s, [fd])
                self.assertEqual(
                    (reply['result'], reply['addr'], reply['len'],
                     reply['offset'], reply['memory']),
                    (0, stat.st_ino, 13, 1234567890123456789,
                     'what is in it'))
            self.assertEqual(self.map_file(s, [fd], MAP_FIXED)['result'],
                             -errno.EEXIST)
            os.close(fd)

    def test_file_settles(self):
        """One that was written just now may be written again unnoticed."""
        self.client()
        s = self.session()
        path = os.path.join(self.d.directory, 'image')
        with open(path, 'wb', buffering=0) as file, open(path, 'rb') as again:
            settled = []
            for _ in range(100):
                file.write(b'x')
                settled.append(self.map_file(s, [again.fileno()])['flags'])
            self.assertIn(0, settled)
            until('it is settled', lambda: self.map_file(
                s, [again.fileno()])['flags'] == 1)

    def test_bad_files(self):
        self.client()
        s = self.session()
        pipes = os.pipe()
        path = os.path.join(self.d.directory, 'image')
        fds = [(os.open(path, os.O_WRONLY | os.O_CREAT), 'EACCES'),
               (os.open(path, os.O_PATH), 'EACCES'),
               (os.open('/', os.O_RDONLY), 'EINVAL'),
               (os.open('/dev/null', os.O_RDONLY), 'EINVAL'),
               (pipes[0], 'EINVAL'), (pipes[1], 'EACCES'),
               (s.sock.fileno(), 'EINVAL')]
        for fd, name in fds:
            self.assertEqual(name_of(self.map_file(s, [fd])['result']), name)
        self.assertEqual(s.result(MAP_FILE), 'EBADF')
        for fd, _ in fds[:-1]:
            os.close(fd)

    def test_names(self):
        self.client()
        s = self.session()
        for op in (MAP, CLONE, SNAPSHOT, DROP, UNLINK, QUERY):
            self.assertEqual(s.result(op, b'x' * 64), 'EINVAL')
        self.assertEqual(s(MAP, b'x' * 63, MAP_SHARED, 0, PAGE)['memory'],
                         'x' * 63)

    def bad_packets(self):
        good = Session.packet(OPEN)
        yield good[:-1], 'damaged'
        yield good[:8], 'damaged'
        yield HEADER.pack(VERSION, REQUEST, 8), 'not REQUEST'
        yield HEADER.pack(VERSION, REQUEST, 119) + good[8:-1], 'not REQUEST'
        yield good + b'x', 'too long'
        yield good + b'x' * 60000, 'too long'
        yield Session.packet(OPEN, version=VERSION + 1), 'version'

    def test_bad_packets(self):
        self.client()
        other = self.session()
        null = os.open('/dev/null', os.O_RDONLY)
        bad = [(packet, [], text) for packet, text in self.bad_packets()]
        bad += [(Session.packet(OPEN), [null] * n, 'with descriptors')
                for n in (1, 7, 253)]
        bad += [(Session.packet(MAP_FILE), [null] * 2, 'with descriptors')]
        for first in (True, False):
            later = [] if first else [
                (b'', [], ''), (b'\1', [], 'damaged'),
                (Session.packet(OPEN, kind=REPLY), [], 'not REQUEST'),
                (HEADER.pack(VERSION, HELLO, 88) + bytes(80), [],
                 'not REQUEST')]
            for packet, fds, text in bad + later:
                seen = len(self.d.log)
                s = Session(self.d.client)
                if not first:
                    self.assertEqual(s.result(OPEN), 'done')
                socket.send_fds(s.sock, [packet], fds)
                if first and text == 'too long':
                    # Nobody knows what it was to be.
                    self.assertEqual(HEADER.unpack(s.sock.recv(8))[1],
                                     REFUSED)
                self.assertTrue(s.ended())
                until(f'{text} is logged', lambda: any(
                    text in x for x in self.d.log[seen:]))
                s.close()
                self.assertEqual(other.result(OPEN), 'done')
        os.close(null)

    def test_one_at_a_time(self):
        client, s = self.client(), self.session()
        s.send(ADVISE)
        s.send(OPEN)
        s.send(QUERY)
        s.send(ADVISE)
        # The plane is asked by others meanwhile, and has answered them.
        self.call('GetStats')
        s.sock.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            s.receive()
        s.sock.settimeout(WAIT)
        client.wish(WISH_ANSWER)
        reply = s.receive()
        self.assertEqual((reply['result'], reply['memory']), (0, 'held'))
        self.assertEqual(s.receive()['region'], 0)
        # It would be EBUSY had the plane still had the first.
        self.assertEqual(s.receive()['region'], client.space)
        # The process goes while its request is under way.
        self.open.remove(client)
        client.close()
        reply = s.receive()
        self.assertEqual((reply['result'], reply['memory']),
                         (-errno.ESRCH, None))
        self.assertEqual(s.result(OPEN), 'ESRCH')

    def test_leaves(self):
        client = self.client()
        for more in range(3):
            s = Session(self.d.client)
            s.send(ADVISE)
            for _ in range(more):
                s.send(OPEN)
            # The daemon has read the first, if it answers a later one.
            self.assertEqual(self.session().result(OPEN), 'done')
            s.close()
            client.wish(WISH_ANSWER)
            other = self.session()
            until('it is answered', lambda: other.result(QUERY) == 'done')

    def test_no_reader(self):
        self.client()
        s = self.session()
        s.sock.settimeout(0.2)
        with self.assertRaises((TimeoutError, BrokenPipeError,
                                ConnectionResetError)):
            for _ in range(100000):
                s.send(OPEN)
        self.assertEqual(self.session().result(OPEN), 'done')

    def test_many(self):
        self.client()
        sessions = [self.session() for _ in range(200)]
        for s in sessions:
            s.send(MAP, b'm', MAP_SHARED, 0, PAGE)
        for s in sessions:
            self.assertEqual(s.receive()['memory'], 'm')

    def test_handed_on(self):
        """Nobody acts for a process that has ended."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pid = os.fork()
        if pid == 0:
            try:
                client, s = Client(self.d.client), Session(self.d.client)
                ok = (client.hello(self.token)[0] == READY and
                      s.result(OPEN) == 'done')
                socket.send_fds(theirs, [b'y' if ok else b'n'],
                                [client.sock.fileno(), s.sock.fileno()])
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        ours.settimeout(WAIT)
        data, fds, _, _ = socket.recv_fds(ours, 1, 2)
        ours.close()
        theirs.close()
        self.assertEqual(data, b'y')
        agent, sock = (socket.socket(fileno=fd) for fd in fds)
        spaces = self.call('ListSpaces')['spaces']
        self.assertEqual([x['pid'] for x in spaces], [pid])
        s = Session(sock=sock)
        self.assertEqual(s.result(OPEN), 'ESRCH')
        s.close()
        agent.close()
        until('it is gone', lambda: self.call('ListSpaces')['spaces'] == [])


class WithPrograms(WithSessions):
    def setUp(self):
        super().setUp()
        self.programs = []
        self.token = self.group(name='holding')['token']

    def tearDown(self):
        for p in self.programs:
            p.end()
        super().tearDown()

    def program(self, uid):
        self.programs.append(Program(self.d.client, self.token, uid))
        return self.programs[-1]

    def spaces(self):
        return {x['pid']: x['id'] for x in self.call('ListSpaces')['spaces']}


class Library(WithPrograms):
    """Snapshots and clones; the fake plane is asked for what it can."""

    def snapshots(self):
        return {x['name']: x for x in self.call('ListSnapshots')['snapshots']}

    def test_snapshot(self):
        self.client()
        s = self.session()
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'done')
        one = self.snapshots()['one']
        self.assertEqual((one['pid'], one['uid']), (os.getpid(), 0))
        for bad in (1 << 40, 9999):
            reply = self.call.raw('org.pagerd.ExportSnapshot', {
                'name': 'one', 'fd': bad})
            self.assertEqual(reply['parameters'], {'parameter': 'fd'})
        self.assertIn(one['holder'], self.spaces())
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'EEXIST')
        self.fails('SnapshotExists', 'TakeSnapshot', pid=os.getpid(),
                   name='one')
        for bad in (b'', b'a b', b'a/b', b'\xff', b'x' * 64):
            self.assertEqual(s.result(SNAPSHOT, bad), 'EINVAL')
        # By whatever way it was taken.
        self.call('TakeSnapshot', pid=os.getpid(), name='two')
        self.assertEqual(s.result(SNAPSHOT, b'two'), 'EEXIST')
        self.assertEqual(s.result(DROP, b'two'), 'done')
        self.assertEqual(s.result(DROP, b'two'), 'ENOENT')
        self.assertEqual(s.result(DROP, b''), 'ENOENT')
        self.call('DropSnapshot', name='one')
        self.assertEqual(s.result(DROP, b'one'), 'ENOENT')
        self.assertEqual(self.snapshots(), {})
        until('the holders are gone',
              lambda: list(self.spaces()) == [os.getpid()])

    def test_two_at_once(self):
        self.client()
        s, t = self.session(), self.session()
        s.send(SNAPSHOT, b'one')
        t.send(SNAPSHOT, b'one')
        results = {s.receive()['result'], t.receive()['result']}
        self.assertEqual(results, {0, -errno.EEXIST})
        self.assertEqual(s.result(DROP, b'one'), 'done')

    def test_leaves_a_snapshot(self):
        self.client()
        s = Session(self.d.client)
        s.send(SNAPSHOT, b'one')
        s.close()
        # Whether it was read before the end is nobody's promise.
        t = self.session()
        until('it is decided', lambda: t.result(SNAPSHOT, b'one') in (
            'done', 'EEXIST') and 'one' in self.snapshots())
        self.assertEqual(t.result(DROP, b'one'), 'done')

    def test_dies_in_between(self):
        """The program ends while a snapshot is taken of it."""
        for _ in range(5):
            p = self.program(0)
            p.process.stdin.write(f'request {SNAPSHOT} one\n')
            p.process.stdin.flush()
            p.process.kill()
            p.end()
        until('they are gone', lambda: len(self.spaces()) == len(
            self.snapshots()))
        s = self.session()
        self.client()
        self.assertIn(s.result(DROP, b'one'), ('done', 'ENOENT'))

    def failing(self, name, error):
        self.client(self.group(name=name)['token'])
        s = self.session()
        for _ in range(2):
            self.assertEqual(s.result(SNAPSHOT, b'one'), error)
            self.assertEqual(self.snapshots(), {})
            self.assertEqual(s.result(CLONE, b'one'), 'ENOENT')
            self.assertEqual(s.result(DROP, b'one'), 'ENOENT')
        until('no holder is left',
              lambda: list(self.spaces()) == [os.getpid()])

    def test_no_room(self):
        self.failing('holding-full', 'ENOSPC')

    def test_holder_ends_early(self):
        self.failing('holding-mortal', 'ECONNRESET')

    def test_no_agent(self):
        self.failing('idle', 'ENOTSUP')

    def test_holder_killed(self):
        self.client()
        s = self.session()
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'done')
        os.kill(self.snapshots()['one']['holder'], signal.SIGKILL)
        until('it is lost', lambda: self.snapshots() == {})
        self.assertEqual(s.result(CLONE, b'one'), 'ENOENT')
        self.assertEqual(s.result(DROP, b'one'), 'ENOENT')
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'done')
        self.assertEqual(s.result(DROP, b'one'), 'done')

    def test_clone(self):
        self.client()
        s = self.session()
        self.assertEqual(s.result(CLONE, b'one'), 'ENOENT')
        self.assertEqual(s.result(CLONE, b''), 'ENOENT')
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'done')
        holder = self.snapshots()['one']['holder']
        p = self.program(0)
        self.assertEqual(p.ask('request', CLONE, 'one'),
                         ['done', self.spaces()[holder]])
        # The name is free, and the holder stays.
        self.assertEqual(s.result(DROP, b'one'), 'done')
        self.assertEqual(p.ask('request', CLONE, 'one')[0], 'ENOENT')
        self.assertEqual(s.result(SNAPSHOT, b'one'), 'done')
        other = self.snapshots()['one']['holder']
        self.assertEqual(set(self.spaces()),
                         {os.getpid(), p.pid, holder, other})
        p.end()
        until('the clone and its origin are gone',
              lambda: set(self.spaces()) == {os.getpid(), other})
        self.assertEqual(s.result(DROP, b'one'), 'done')

    def test_users(self):
        self.client()
        s, p, q = self.session(), self.program(NOBODY), self.program(NOBODY)
        self.assertEqual(s.result(SNAPSHOT, b'roots'), 'done')
        self.assertEqual(p.ask('request', SNAPSHOT, 'theirs')[0], 'done')
        # It is its process's user's, whose group it may ever be.
        theirs = self.snapshots()['theirs']
        self.assertEqual((theirs['uid'], theirs['pid']), (NOBODY, p.pid))
        for op in (CLONE, DROP):
            self.assertEqual(p.ask('request', op, 'roots')[0], 'ENOENT')
        # Each user has names of his own.
        self.assertEqual(p.ask('request', SNAPSHOT, 'roots')[0], 'done')
        self.assertEqual(p.ask('request', DROP, 'roots')[0], 'done')
        self.assertEqual(self.snapshots()['roots']['uid'], 0)
        self.assertEqual(q.ask('request', CLONE, 'theirs'),
                         ['done', self.spaces()[theirs['holder']]])
        # Root may drop it, but has no part in what is in it.
        self.assertEqual(s.result(CLONE, b'theirs'), 'EACCES')
        self.assertEqual(s.result(DROP, b'theirs'), 'done')
        self.assertEqual(s.result(DROP, b'roots'), 'done')


class Shared(WithPrograms):
    """Memory that has a name; that of the fake plane is as large as asked."""

    def shared(self, call=None):
        return {(x['uid'], x['name']): x
                for x in (call or self.call)('ListShared')['shared']}

    def share(self, session, name, pages=1):
        return session.result(MAP, name, MAP_SHARED | MAP_CREATE, 0,
                              pages * PAGE)

    def test_shared(self):
        self.assertEqual(self.shared(), {})
        client, s = self.client(), self.session()
        self.assertEqual(self.share(s, b'one', 5), 'done')
        one = self.shared()[0, 'one']
        self.assertGreater(one.pop('id'), 0)
        self.assertEqual(one, {
            'name': 'one', 'uid': 0, 'size': 5 * PAGE, 'resident': PAGE,
            'out': 2 * PAGE, 'maps': 3})
        # It stays when its program has ended.
        self.open.remove(client)
        client.close()
        until('it is gone', lambda: self.spaces() == {})
        self.assertIn((0, 'one'), self.shared())
        self.call('UnlinkShared', name='one')
        self.assertEqual(self.shared(), {})
        self.fails('NoSuchShared', 'UnlinkShared', name='one')

    def test_names_of_shared(self):
        self.client()
        long = 'x' * 63
        self.assertEqual(self.share(self.session(), long.encode()), 'done')
        for bad in ('', 'y', long + 'x', 'x' * 1000, '\u00e4'):
            self.assertEqual(
                self.fails('NoSuchShared', 'UnlinkShared', name=bad),
                {'shared': bad})
        for bad in (-1, 1 << 32, 'root', 1.5):
            reply = self.call.raw('org.pagerd.UnlinkShared', {
                'name': long, 'uid': bad})
            self.assertEqual(reply['parameters'], {'parameter': 'uid'})
        self.call('UnlinkShared', name=long, uid=0)

    def test_many_shared(self):
        """More than the daemon has room for at first."""
        self.client()
        s = self.session()
        names = {f'n{i}' for i in range(300)}
        for name in names:
            self.assertEqual(self.share(s, name.encode()), 'done')
        self.assertEqual({name for _, name in self.shared()}, names)

    def test_users_of_shared(self):
        self.client()
        s, p = self.session(), self.program(NOBODY)
        nobody = connect_as(NOBODY, self.d.control)
        for name in ('both', 'theirs'):
            self.assertEqual(p.ask('share', name), 'done')
        for name in (b'both', b'roots'):
            self.assertEqual(self.share(s, name), 'done')
        self.assertEqual(set(self.shared(nobody)),
                         {(NOBODY, 'both'), (NOBODY, 'theirs')})
        self.assertEqual(len(self.shared()), 4)
        self.fails('NoSuchShared', 'UnlinkShared', nobody, name='roots')
        self.fails('NotPermitted', 'UnlinkShared', nobody, name='roots',
                   uid=0)
        # Root's own first, then whose it is.
        self.fails('NoSuchShared', 'UnlinkShared', name='theirs', uid=0)
        self.call('UnlinkShared', name='both')
        self.assertEqual(set(self.shared()), {
            (NOBODY, 'both'), (NOBODY, 'theirs'), (0, 'roots')})
        self.call('UnlinkShared', name='both')
        self.call('UnlinkShared', name='theirs', uid=NOBODY)
        nobody.close()
        self.assertEqual(set(self.shared()), {(0, 'roots')})


class Ending(unittest.TestCase):
    def test_lost_pages(self):
        d = Daemon()
        call = Varlink(d.control)
        call('CreateGroup', name='lossy', limit=0, ephemeral=False)
        self.assertEqual(d.stop(), 1)
        self.assertTrue(any('7 pages of 1 processes could not' in x
                            for x in d.log))
        call.close()

    def test_second_signal(self):
        with tempfile.NamedTemporaryFile() as hold:
            d = Daemon(env={'FAKE_HOLD': hold.name})
            call = Varlink(d.control)
            token = call('CreateGroup', name='g', limit=0,
                         ephemeral=True)['token']
            client, waiting = Client(d.client), Client(d.client)
            self.assertEqual(client.hello(token)[0], READY)
            d.process.send_signal(signal.SIGTERM)
            d.expect('stopping: ')
            self.assertEqual(waiting.receive(),
                             (REFUSED, 'the daemon is stopping'))
            d.process.send_signal(signal.SIGTERM)
            d.expect('still bringing pages home')
            with self.assertRaises(OSError):
                Varlink(d.control)
            # Who is connected gets an answer, not silence.
            call.send('org.pagerd.ListGroups')
            self.assertEqual(call.receive()['error'], 'org.pagerd.Failed')
            self.assertIsNone(d.process.poll())
        self.assertEqual(d.end(), 0)
        self.assertTrue(any('42 pages were brought home' in x
                            for x in d.log))
        for c in (call, client, waiting):
            c.close()

    def stop_with_sessions(self, group):
        """=> how the daemon has ended"""
        d = Daemon()
        call = Varlink(d.control)
        token = call('CreateGroup', name=group, limit=0,
                     ephemeral=False)['token']
        client = Client(d.client)
        self.assertEqual(client.hello(token)[0], READY)
        silent, idle, busy, gone = (Session(d.client) for _ in range(4))
        for s in (idle, busy, gone):
            self.assertEqual(s.result(OPEN), 'done')
        if group == 'holding':
            for name in (b'one', b'two'):
                self.assertEqual(idle.result(SNAPSHOT, name), 'done')
            self.assertEqual(idle.result(CLONE, b'two'), 'done')
        busy.send(ADVISE)
        self.assertEqual(idle.result(OPEN), 'done')
        gone.send(SNAPSHOT, b'three')
        gone.close()
        d.process.send_signal(signal.SIGTERM)
        self.assertTrue(idle.ended())
        # What was asked for is answered.
        reply = busy.receive()
        self.assertEqual((reply['result'], reply['memory']),
                         (-errno.ESRCH, None))
        self.assertTrue(busy.ended())
        self.assertEqual(HEADER.unpack(silent.sock.recv(8))[1], REFUSED)
        status = d.end()
        for c in (call, client, silent, idle, busy):
            c.close()
        return status

    def test_sessions(self):
        self.assertEqual(self.stop_with_sessions('g'), 0)
        self.assertEqual(self.stop_with_sessions('holding'), 0)

    def test_holder_comes_too_late(self):
        """Nobody waits for a holder when the daemon stops."""
        d = Daemon(config='[daemon]\nclient-timeout = 60\n')
        call = Varlink(d.control)
        token = call('CreateGroup', name='holding-late', limit=0,
                     ephemeral=False)['token']
        program = Program(d.client, token)
        call.send('org.pagerd.TakeSnapshot', {
            'pid': program.pid, 'name': 'one'})
        look = Varlink(d.control)
        until('the holder is forked', lambda: len(
            look('ListSpaces')['spaces']) == 2)
        d.process.send_signal(signal.SIGTERM)
        self.assertEqual(d.end(), 0)
        self.assertIn('the daemon is stopping',
                      call.receive()['parameters']['reason'])
        call.close()
        look.close()
        program.end()

    def test_interrupt_and_hangup(self):
        for number in (signal.SIGINT, signal.SIGHUP):
            d = Daemon()
            d.process.send_signal(number)
            self.assertEqual(d.end(), 0)

    def test_notify(self):
        if NOTIFY != 'systemd':
            self.skipTest('built without libsystemd')
        with tempfile.TemporaryDirectory() as directory:
            path = directory + '/notify'
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.settimeout(WAIT)
            manager.bind(path)
            d = Daemon(env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '100000'})
            wanted = {'READY=1', 'WATCHDOG=1', 'STATUS=0 groups, 0 processes'}
            while wanted:
                wanted.discard(manager.recv(4096).decode())
            self.assertEqual(d.stop(), 0)
            while manager.recv(4096) != b'STOPPING=1':
                pass
            manager.close()

    def test_no_descriptors_left(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

        with Daemon(config='[daemon]\nclient-timeout = 2\n',
                    preexec=limit) as d:
            call = Varlink(d.control)
            token = call('CreateGroup', name='g', limit=0,
                         ephemeral=False)['token']
            crowd = []
            for _ in range(100):
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.connect(d.client)
                crowd.append(s)
            d.expect('cannot accept')
            call('GetVersion')
            for s in crowd:
                s.close()
            client = Client(d.client)
            self.assertEqual(client.hello(token)[0], READY)
            # HELLO's descriptors do not fit: refused, and none is left.
            client2 = [Client(d.client) for _ in range(12)]
            for c in client2:
                kind, reason = c.hello(token)
                self.assertIn(kind, (READY, REFUSED))
                if kind == REFUSED:
                    self.assertIn('LimitNOFILE', reason)
            self.assertEqual(kind, REFUSED)
            for c in [client, *client2]:
                c.close()
            call.close()


class Private(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix='pagerd-private.')
        self.sockets = []
        for name, kind in (('client', socket.SOCK_SEQPACKET),
                           ('control', socket.SOCK_STREAM)):
            s = socket.socket(socket.AF_UNIX, kind)
            s.bind(f'{self.directory}/{name}')
            s.listen(64)
            self.sockets.append(s)

    def tearDown(self):
        for s in self.sockets:
            s.close()
        shutil.rmtree(self.directory)

    def launch(self, **how):
        high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100)
                for s in self.sockets]
        d = Daemon('--private', directory=self.directory, fds=high, **how)
        for fd in high:
            os.close(fd)
        return d

    def test_ends_with_its_maker(self):
        first = Varlink(self.directory + '/control')  # before it runs
        d = self.launch()
        made = first('CreateGroup', name=None, limit=0, ephemeral=True)
        self.assertEqual(made['client_socket'], self.directory + '/client')
        self.assertTrue(first('GetVersion')['private'])
        second = Varlink(self.directory + '/control')
        second('GetVersion')
        client = Client(self.directory + '/client')
        self.assertEqual(client.hello(made['token'])[0], READY)
        first.close()
        d.expect('joined')
        second('GetVersion')  # a program runs: it lives
        self.assertIsNone(d.process.poll())
        client.close()
        self.assertEqual(d.end(), 0)
        second.close()
        # The sockets are their maker's.
        self.assertEqual(sorted(os.listdir(self.directory)),
                         ['client', 'control', 'pagerd.conf'])

    def test_sessions_do_not_count(self):
        first = Varlink(self.directory + '/control')
        d = self.launch()
        made = first('CreateGroup', name=None, limit=0, ephemeral=True)
        client = Client(self.directory + '/client')
        self.assertEqual(client.hello(made['token'])[0], READY)
        s = Session(self.directory + '/client')
        self.assertEqual(s.result(OPEN), 'done')
        first.close()
        client.close()
        self.assertEqual(d.end(), 0)
        self.assertTrue(s.ended())
        s.close()

    def test_nobody_comes(self):
        d = self.launch(config='[daemon]\nclient-timeout = 1\n')
        self.assertEqual(d.end(), 0)

    def test_wrong_sockets(self):
        self.sockets[0], other = self.sockets[1], self.sockets[0]
        d = self.launch(ready=False)
        self.assertEqual(d.end(), 1)
        self.assertIn('LISTEN_FDS', d.log[-1])
        self.sockets[0] = other

    def test_not_for_us(self):
        """Descriptors that were passed to another process are left alone."""
        with Daemon(env={'LISTEN_FDS': '2', 'LISTEN_PID': '1'}) as d:
            Varlink(d.control).close()


def main():
    global PAGERD, NOTIFY
    if sys.argv[1:2] == ['--client']:
        client_main(*sys.argv[2:4], int(sys.argv[4]))
        return
    if os.geteuid() != 0 or not os.path.exists('/dev/userfaultfd'):
        print('needs root and /dev/userfaultfd')
        sys.exit(77)
    PAGERD, NOTIFY = sys.argv[1], sys.argv[2]
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)


main()
