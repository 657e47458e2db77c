"""errors.py: what may go wrong with a measurement."""


class Failed(Exception):
    """A program failed, or read wrong data: there is no figure."""


class Unavailable(Exception):
    """This machine, or this call, lacks what a measurement needs."""
