#!/usr/bin/env python3
"""embed.py NAME=FILE... OUTPUT: text files as C strings, for interfaces.h"""
import sys


def c_string(line):
    return '"' + line.replace('\\', '\\\\').replace('"', '\\"') + '\\n"'


def main(pairs, output):
    with open(output, 'w', encoding='ascii') as out:
        out.write('#include "interfaces.h"\n')
        for pair in pairs:
            name, path = pair.split('=', 1)
            with open(path, encoding='ascii') as text:
                lines = text.read().splitlines()
            out.write(f'\nconst char interface_{name}[] =\n')
            out.write('\n'.join('\t' + c_string(line) for line in lines))
            out.write(';\n')


main(sys.argv[1:-1], sys.argv[-1])
