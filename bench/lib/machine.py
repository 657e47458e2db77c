"""machine.py: on what the figures were measured."""

import os
import platform


def first_line(path):
    try:
        with open(path, encoding='utf-8') as f:
            return f.readline().strip()
    except OSError:
        return None


def field(path, name):
    try:
        with open(path, encoding='utf-8') as f:
            for line in f:
                key, _, value = line.partition(':')
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return None


def about():
    return {'kernel': platform.release(), 'machine': platform.machine(),
            'cpus': len(os.sched_getaffinity(0)),
            'cpu': field('/proc/cpuinfo', 'model name'),
            'memory': field('/proc/meminfo', 'MemTotal'),
            'swap': field('/proc/meminfo', 'SwapTotal'),
            'swappiness': first_line('/proc/sys/vm/swappiness'),
            'page_cluster': first_line('/proc/sys/vm/page-cluster'),
            'huge_pages': first_line(
                '/sys/kernel/mm/transparent_hugepage/enabled')}
