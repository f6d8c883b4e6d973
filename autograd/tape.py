"""Tape."""


class TapeKernel:
    pass


def prefers_tape(recording, results):
    return False
