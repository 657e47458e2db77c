"""options.py: the command line that the benchmarks have in common."""

import argparse
import os

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, '..', '..', 'build')


def parser(description, mib):
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--build', metavar='DIR', default=BUILD)
    made.add_argument('--mib', type=int, default=mib,
                      help='memory that a program wants (%(default)s)')
    made.add_argument('--rounds', type=int, default=5)
    made.add_argument('--json', metavar='FILE', help='write all figures')
    return made


def parse(made):
    options = made.parse_args()
    if options.rounds < 1 or options.mib < 1:
        made.error('at least one round, of at least 1 MiB')
    options.build = os.path.abspath(options.build)
    if not os.path.exists(os.path.join(options.build, 'bench')):
        made.error('nothing is built in %s' % options.build)
    return options
