"""Typed, time-ordered ids: a prefix that names the kind and a lower-case ULID."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from typing import Final, Protocol

from shared.kernel.clock import Clock, SystemClock
from shared.kernel.entropy import entropy as os_entropy
from shared.kernel.errors import InvariantViolation

_PREFIX: Final = re.compile(r"(?:[a-z]{1,12}_)?")
_RANDOM_BITS: Final = 80
_RANDOM_BYTES: Final = 10
_LARGEST: Final = (1 << 128) - 1
_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
# Ids of one burst differ in their last three characters only: those come from a table, the rest is kept.
_TAIL_BITS: Final = 15
_TAIL_MASK: Final = (1 << _TAIL_BITS) - 1
_TAILS: Final = ["".join(letters) for letters in itertools.product(_CROCKFORD, repeat=3)]
_HEAD_CHUNKS: Final = (
    105,
    90,
    75,
    60,
    45,
    30,
    15,
    0,
)  # bits to shift away, for the 23 characters before the tail
_HEAD_SURPLUS: Final = 1  # eight chunks of three characters are one more than 23; the first is always zero


class Ids(Protocol):
    """Where new ids come from. Simulations hand in a counted source."""

    def new(self, prefix: str) -> str:
        """Return an id never given before, such as ``pay_01k...`` for the prefix ``pay_``."""
        ...


class UlidIds:
    """ULIDs that grow within a process even inside one millisecond: indexes fill at their right edge."""

    def __init__(self, clock: Clock | None = None, entropy: Callable[[int], bytes] = os_entropy) -> None:
        self._clock = clock or SystemClock()
        self._entropy = entropy
        self._lock = threading.Lock()
        self._last = 0
        self._head_value, self._head = -1, ""
        self._prefixes: set[str] = set()

    def new(self, prefix: str) -> str:
        """Return ``prefix`` and 26 lower-case characters, larger than every id given before."""
        if prefix not in self._prefixes:
            self._admit(prefix)
        milliseconds = int(self._clock.now().timestamp() * 1000)
        with self._lock:
            if milliseconds > self._last >> _RANDOM_BITS:
                entropy = int.from_bytes(self._entropy(_RANDOM_BYTES), "big")
                self._last = (milliseconds << _RANDOM_BITS) | entropy
            else:
                # The same millisecond, or a clock stepped back: go on from the last one.
                self._last += 1
            value = self._last
            if value >> _TAIL_BITS != self._head_value:
                self._head_value, self._head = value >> _TAIL_BITS, _head_of(value)
            return prefix + self._head + _TAILS[value & _TAIL_MASK]

    def _admit(self, prefix: str) -> None:
        if not _PREFIX.fullmatch(prefix):
            raise InvariantViolation(
                "id_prefix", f"{prefix!r} is not a few lower-case letters and an underscore"
            )
        self._prefixes.add(prefix)


def _head_of(value: int) -> str:
    if value > _LARGEST:
        raise InvariantViolation("id_space", "the clock is far in the future: no ULIDs are left")
    head = value >> _TAIL_BITS
    return "".join([_TAILS[head >> bits & _TAIL_MASK] for bits in _HEAD_CHUNKS])[_HEAD_SURPLUS:]
