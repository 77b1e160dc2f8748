"""What one seed asks for: which payments are made, at which processor, by which card, and which faults strike them.

A pure function of count, seed and what the sandbox says of its cards: it draws their faults from their names alone, so
a run with the same seed brings the same faults, in whatever order the machine works.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

Cards = Callable[[Sequence[str]], Mapping[str, frozenset[str]]]
"""The operations that something strikes, by the name of the card; the sandbox knows."""
RATE: Final = 60
"""Of a hundred operations, so many suffer a fault."""
LOST_EVERY: Final = 250
"""One payment in so many loses all evidence of one operation, for good."""
LOST_MIN: Final = 6
CHUNK: Final = 500
"""So many cards the sandbox is asked about at once."""


class Kind(StrEnum):
    """What the merchant does with a payment."""

    SALE = "sale"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


OPERATIONS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.SALE: frozenset({"authorization"}),
    Kind.CAPTURE: frozenset({"authorization", "capture"}),
    Kind.CANCEL: frozenset({"authorization", "void"}),
    Kind.REFUND: frozenset({"authorization", "refund"}),
}
"""What each asks of the processor."""
_WEIGHTS: Final[Mapping[Kind, int]] = {Kind.SALE: 45, Kind.CAPTURE: 25, Kind.CANCEL: 10, Kind.REFUND: 20}
_LOST: Final = ((Kind.SALE, "authorization"), (Kind.CAPTURE, "capture"), (Kind.REFUND, "refund"))
_BETA: Final = 0.25


@dataclass(frozen=True, slots=True)
class Planned:
    """One payment of the plan."""

    number: int
    processor: str
    kind: Kind
    method: str
    amount: int
    loses_evidence: bool
    faults: int = 0
    """How many of its operations something strikes."""


def plan(count: int, seed: int, cards: Cards) -> list[Planned]:
    """Payments until ``count`` faults are planned, in the order in which they are asked for."""
    chance = random.Random(seed)  # noqa: S311 - a seed that can be told, not a secret
    every = min(LOST_EVERY, max(count // LOST_MIN, 1))
    planned: list[Planned] = []
    faults = 0
    while faults < count:
        for item in _chunk(chance, len(planned), seed, every, cards):
            planned.append(item)
            faults += item.faults
            if faults >= count:
                break
    return planned


def _chunk(chance: random.Random, first: int, seed: int, every: int, cards: Cards) -> list[Planned]:
    """The next payments of the plan, with what strikes them."""
    drawn = [
        _without_evidence(chance, number, number // every)
        if number % every == every // 2
        else _by_lot(chance, number, seed)
        for number in range(first, first + CHUNK)
    ]
    struck = cards(sorted({item.method for item in drawn}))
    return [replace(item, faults=len(struck[item.method] & OPERATIONS[item.kind])) for item in drawn]


def _by_lot(chance: random.Random, number: int, seed: int) -> Planned:
    return Planned(
        number=number,
        processor="beta" if chance.random() < _BETA else "alpha",
        kind=chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0],
        method=f"pm_random_{RATE}_{seed}_{number}",
        amount=chance.randint(100, 50_000),
        loses_evidence=False,
    )


def _without_evidence(chance: random.Random, number: int, turn: int) -> Planned:
    kind, operation = _LOST[turn % len(_LOST)]
    return Planned(
        number=number,
        processor="beta" if turn // len(_LOST) % 2 else "alpha",
        kind=kind,
        method=f"pm_no_evidence_on_{operation}",
        amount=chance.randint(100, 50_000),
        loses_evidence=True,
    )
