"""The operating system's randomness, fetched in pieces that last for a while.

Each fetch is a system call that gives the interpreter's lock away, and gets it back only when another thread lets go of
it: at a few ids per request that is more than the ids themselves cost.
"""

from __future__ import annotations

import os
import threading
from typing import Final

_PIECE_BYTES: Final = 4_096


class BufferedEntropy:
    """``os.urandom`` for many small takers: no byte is given twice, not even to a forked process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._piece = b""
        self._at = 0
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, octets: int) -> bytes:
        """Return that many random bytes, at most a piece of them."""
        with self._lock:
            if self._at + octets > len(self._piece):
                self._piece, self._at = os.urandom(_PIECE_BYTES), 0
            taken = self._piece[self._at : self._at + octets]
            self._at += octets
            return taken

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._piece, self._at = b"", 0


entropy: Final = BufferedEntropy()
"""The process's own."""
