"""redis.py: a small Redis client, and keys whose values can be foretold."""

import hashlib
import socket

BATCH = 500
VALUE_BYTES = 1024


class Client:
    """Pipelined commands over a Unix socket."""

    def __init__(self, path, timeout=600):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(path)
        except OSError:
            self.sock.close()
            raise
        self.file = self.sock.makefile('rb')

    @staticmethod
    def encode(words):
        parts = [b'*%d\r\n' % len(words)]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b'$%d\r\n%s\r\n' % (len(data), data))
        return b''.join(parts)

    def send(self, *words):
        self.sock.sendall(self.encode(words))

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionError('redis hung up')
        kind, rest = line[:1], line[1:-2]
        if kind == b'$':
            if rest == b'-1':
                return None
            data = self.file.read(int(rest) + 2)
            return data[:-2]
        if kind == b':':
            return int(rest)
        if kind == b'*':
            return [self.answer() for _ in range(int(rest))]
        if kind == b'-':
            raise ValueError('redis: %s' % rest.decode())
        return rest

    def call(self, *words):
        self.send(*words)
        return self.answer()

    def pipeline(self, commands):
        """Answers of many commands, in their order."""
        commands = list(commands)
        for start in range(0, len(commands), BATCH):
            batch = commands[start:start + BATCH]
            self.sock.sendall(b''.join(map(self.encode, batch)))
            for _ in batch:
                yield self.answer()

    def close(self):
        self.file.close()
        self.sock.close()


def key(number):
    return 'key:%08d' % number


def value(seed, number, generation):
    """Half as much information as there are bytes."""
    name = '%d %d %d' % (seed, number, generation)
    digest = hashlib.shake_128(name.encode())
    return digest.hexdigest(VALUE_BYTES // 2).encode()


def store(client, seed, numbers, generation):
    """=> how many were stored"""
    commands = (('SET', key(n), value(seed, n, generation)) for n in numbers)
    return sum(answer == b'OK' for answer in client.pipeline(commands))


def wrong(client, seed, numbers, generation_of):
    """Numbers of the keys that hold something else than they must."""
    numbers = list(numbers)
    answers = client.pipeline(('GET', key(n)) for n in numbers)
    return [n for n, answer in zip(numbers, answers)
            if answer != value(seed, n, generation_of(n))]
