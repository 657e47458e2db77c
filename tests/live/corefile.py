"""corefile.py: reading memory out of an ELF core file, see core(5)"""

import struct

PT_LOAD = 1
EHDR = struct.Struct('<16sHHIQQQIHHHHHH')
PHDR = struct.Struct('<IIQQQQQQ')


class Core:
    """The segments of a core that has bytes for them."""

    def __init__(self, path):
        self.file = open(path, 'rb')
        header = EHDR.unpack(self.file.read(EHDR.size))
        offset, size, count = header[5], header[9], header[10]
        self.segments = []
        for i in range(count):
            self.file.seek(offset + i * size)
            kind, _, at, start, _, in_file, _, _ = PHDR.unpack(
                self.file.read(PHDR.size))
            if kind == PT_LOAD and in_file > 0:
                self.segments.append((start, start + in_file, at))

    def read(self, addr, length):
        data = b''
        while length > 0:
            start, end, at = next(
                s for s in self.segments if s[0] <= addr < s[1])
            self.file.seek(at + addr - start)
            piece = self.file.read(min(length, end - addr))
            if not piece:
                raise ValueError('the core is too short')
            data += piece
            addr += len(piece)
            length -= len(piece)
        return data

    def word(self, addr):
        return struct.unpack('<Q', self.read(addr, 8))[0]

    def close(self):
        self.file.close()
