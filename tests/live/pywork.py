"""pywork.py MIB: builds, shuffles and re-reads so much of small objects.

The objects are strings of 200 to 1500 bytes, each on the C library's heap
when PYTHONMALLOC=malloc is set.  Prints a checksum that depends on every byte
and on the order.
"""

import os
import random
import sys
import zlib

MEAN = 900  # bytes of an object, with its header


def text(rng, number):
    word = '%016x' % rng.getrandbits(64)
    return (word * 100)[:rng.randrange(200, 1500)] + str(number)


def main():
    rng = random.Random(int(os.environ.get('TEST_SEED', '1')))
    count = int(sys.argv[1]) * 1024 * 1024 // MEAN
    things = [text(rng, number) for number in range(count)]
    length = sum(map(len, things))
    rng.shuffle(things)
    crc = 0
    for thing in things:
        length -= len(thing)
        crc = zlib.crc32(thing.encode(), crc)
    pairs = {things[i]: things[-i] for i in range(0, count, 32)}
    for key in sorted(pairs):
        crc = zlib.crc32(pairs[key].encode(), crc)
    if length != 0:
        sys.exit('WRONG DATA: the lengths do not add up')
    print('%d objects, checksum %08x' % (count, crc))


main()
