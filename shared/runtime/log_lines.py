"""Finished log lines on their way to stderr.

A write is a system call that gives the interpreter's lock away, and under load the event loop gets it back only after
another thread's turn: so what is logged within one turn of a loop leaves together, at its end. Warnings and worse, and
everything that is logged outside of a loop, leave at once, behind what waits.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from typing import Final

_PIECE_CHARS_MAX: Final = 4_096
"""What a pipe takes in one piece, whoever else writes into it."""


class _Turn(threading.local):
    """What a thread's loop has logged since it last looked for work."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.chars = 0
        self.loop: asyncio.AbstractEventLoop | None = None


_turn: Final = _Turn()


class Lines:
    """The logger that structlog's chain ends in."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def info(self, line: str) -> None:
        """Write a line by the end of the loop's turn."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.error(line)
            return
        if _turn.chars + len(line) >= _PIECE_CHARS_MAX:
            flush()
        if _turn.loop is not loop:
            _turn.loop = loop
            loop.call_soon(flush)
        _turn.lines.append(line)
        _turn.chars += len(line) + 1

    def error(self, line: str) -> None:
        """Write a line at once."""
        flush()
        sys.stderr.write(line + "\n")

    debug = msg = info
    warning = warn = exception = critical = fatal = error


def flush() -> None:
    """Write what waits in this thread."""
    _turn.loop = None
    if _turn.lines:
        lines, _turn.lines, _turn.chars = _turn.lines, [], 0
        sys.stderr.write("\n".join(lines) + "\n")


atexit.register(flush)
