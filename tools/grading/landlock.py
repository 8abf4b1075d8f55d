"""Forbid this process and its children to touch what is not theirs, with Linux's Landlock.

Landlock needs no privileges and works in containers. What it can forbid grew with the kernel:
reading and writing files (5.13), TCP (6.7), signals to processes outside (6.12). See landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

# The system calls, the same on every architecture.
CREATE = 444
ADD = 445
RESTRICT = 446
NO_NEW_PRIVS = 38
EXECUTE, WRITE, READ, LIST = (1 << bit for bit in range(4))
TRUNCATE = 1 << 14
FILES = {0: 0, 1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP = 0b11  # bind and connect
OUTSIDE = 0b11  # abstract sockets and signals

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Landlock's version here; 0 where there is none."""
    if not hasattr(_libc, "syscall"):
        return 0
    return max(0, _libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Allow nothing but reading under some paths, and everything under others; for good.

    Call it before the process has a second thread. Where Landlock is missing it does nothing.
    """
    known = version()
    if not known:
        return
    handled = FILES[max(v for v in FILES if v <= known)]
    wishes = [handled]  # each word is known from a version on
    if known >= 4:
        wishes.append(TCP)
    if known >= 6:
        wishes.append(OUTSIDE)
    rules = struct.pack(f"={len(wishes)}Q", *wishes)
    ruleset = _call(CREATE, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0))
    for paths, access in ((readable, EXECUTE | READ | LIST), (writable, handled)):
        for path in paths:
            if path.exists():
                _allow(ruleset, path, access & handled)
    if _libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    _call(RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    if not path.is_dir():
        access &= EXECUTE | WRITE | READ | TRUNCATE
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, place)
        _call(ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint32(0))
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result
