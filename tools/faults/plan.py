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
"""One payment in so many loses all evidence of one operation; as many have each of the other fates."""
LOST_MIN: Final = 6
CHUNK: Final = 500
"""So many cards the sandbox is asked about at once."""


class Kind(StrEnum):
    """What the merchant does with a payment."""

    SALE = "sale"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"
    CLAIM = "claim"
    """A sale whose money is disputed or reversed; the merchant does nothing about it."""
    ANSWER = "answer"
    """A sale that is disputed; the merchant hands evidence in, or accepts."""


class Fate(StrEnum):
    """What is special about the evidence of a payment."""

    BY_LOT = "by_lot"
    """Something strikes it, and leaves a way to the truth."""
    LOST = "lost"
    """Nothing will ever tell of one operation: a person must."""
    LIED = "lied"
    """The processor did something else than was asked, and says so: a person must look."""
    MISNAMED = "misnamed"
    """The reply echoes somebody else's reference. Whether a person must look hangs on who is heard first: a reply that
    comes too late for a busy machine says nothing, and then a look-up tells the truth."""
    OUTLIVES_KEY = "outlives_key"
    """Nothing tells of one operation until its key is dead; whoever sends it again then does it twice."""
    TWICE = "twice"
    """The processor does one operation twice under one key: what is too much must be found, and moves nothing else."""
    DENIED = "denied"
    """It says "refused" of what it did. Where that was believed it must be found out."""
    PUT_OFF = "put_off"
    """It says "not executed" of what it did. A key makes the second send harmless; without keys it is done twice."""
    FORGOTTEN = "forgotten"
    """It forgets the key of what it did, says nothing for a while, and does a second send anew: what is too much must
    be found, and goes back once. Where no room is left, it declines what it did already."""


REVIEWED: Final = frozenset({Fate.LOST, Fate.LIED})
"""The fates that must end in the review queue; beside them only what is misnamed may."""
OPERATIONS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.SALE: frozenset({"authorization"}),
    Kind.CAPTURE: frozenset({"authorization", "capture"}),
    Kind.CANCEL: frozenset({"authorization", "void"}),
    Kind.REFUND: frozenset({"authorization", "refund"}),
    Kind.CLAIM: frozenset({"authorization"}),
    Kind.ANSWER: frozenset({"authorization", "dispute"}),
}
"""What each asks of the processor."""
_WEIGHTS: Final[Mapping[Kind, int]] = {
    Kind.SALE: 35,
    Kind.CAPTURE: 20,
    Kind.CANCEL: 10,
    Kind.REFUND: 15,
    Kind.CLAIM: 10,
    Kind.ANSWER: 10,
}
_STEPS: Final = ((Kind.SALE, "authorization"), (Kind.CAPTURE, "capture"), (Kind.REFUND, "refund"))
_LIES: Final = (
    ("pm_fault_wrong_amount", Fate.LIED),
    ("pm_fault_wrong_currency", Fate.LIED),
    ("pm_fault_wrong_reference", Fate.MISNAMED),
)
_TWICE: Final = (
    (Kind.SALE, "authorization"),
    (Kind.CAPTURE, "authorization"),
    (Kind.REFUND, "refund"),
    (Kind.CANCEL, "authorization"),
)
_DENIABLE: Final = (
    (Kind.SALE, "authorization"),
    (Kind.CAPTURE, "capture"),
    (Kind.REFUND, "refund"),
    (Kind.CANCEL, "void"),
)
_FORGETTABLE: Final = (
    (Kind.SALE, "authorization"),
    (Kind.CAPTURE, "capture"),
    (Kind.REFUND, "refund"),
    (Kind.CANCEL, "authorization"),
    (Kind.CANCEL, "void"),
)
_CLAIMS: Final = (
    "createDisputeWon",
    "createDisputeLost",
    "createDisputeInquiry",
    "createMultipleDisputes",
    "createReversal",
    "createPartialReversal",
    "createReversalGivenBack",
    "captureFail",
)
_BETA: Final = 0.25
OFTEN_EVERY: Final = 4
"""One payment in so many has the fate that is asked for more often."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One payment of the plan."""

    number: int
    processor: str
    kind: Kind
    method: str
    amount: int
    fate: Fate = Fate.BY_LOT
    faults: int = 0
    """How many of its operations something strikes."""

    @property
    def refunded(self) -> int | None:
        """How much the merchant gives back; none is all, which leaves no room to do it twice."""
        part = self.fate is Fate.TWICE or (self.fate is Fate.FORGOTTEN and self.amount % 2 == 1)
        return self.amount // 3 if part else None


_Make = Callable[[random.Random, int, int], Planned]


def plan(count: int, seed: int, cards: Cards, often: Fate | None = None) -> list[Planned]:
    """Payments until ``count`` faults are planned, in the order in which they are asked for.

    ``often`` is a fate that one payment in four shall have.
    """
    chance = random.Random(seed)  # noqa: S311 - a seed that can be told, not a secret
    every = min(LOST_EVERY, max(count // LOST_MIN, 1))
    planned: list[Planned] = []
    faults = 0
    while faults < count:
        for item in _chunk(chance, len(planned), seed, _Turns(every, often), cards):
            planned.append(item)
            faults += item.faults
            if faults >= count:
                break
    return planned


@dataclass(frozen=True, slots=True)
class _Turns:
    """Which payments have which fate."""

    every: int
    often: Fate | None

    def of(self, number: int) -> tuple[Fate, int]:
        """The payment's fate, and how many had the same before it."""
        if self.often is not None and number % OFTEN_EVERY == OFTEN_EVERY - 1:
            return self.often, number // OFTEN_EVERY
        for eighth, fate in _EIGHTHS.items():
            if number % self.every == self.every * eighth // 8:
                return fate, number // self.every
        return Fate.BY_LOT, number


def _chunk(chance: random.Random, first: int, seed: int, turns: _Turns, cards: Cards) -> list[Planned]:
    """The next payments of the plan, with what strikes them."""
    drawn = []
    for number in range(first, first + CHUNK):
        fate, turn = turns.of(number)
        drawn.append(
            _by_lot(chance, number, seed) if fate is Fate.BY_LOT else _MAKERS[fate](chance, number, turn)
        )
    struck = cards(sorted({item.method for item in drawn}))
    return [replace(item, faults=_faults(item, struck[item.method])) for item in drawn]


def _faults(item: Planned, struck: frozenset[str]) -> int:
    return 1 if item.fate in (Fate.LIED, Fate.MISNAMED) else len(struck & OPERATIONS[item.kind])


def _by_lot(chance: random.Random, number: int, seed: int) -> Planned:
    kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    claims = {Kind.CLAIM: f"_{chance.choice(_CLAIMS)}", Kind.ANSWER: "_createDispute"}
    return Planned(
        number=number,
        processor="beta" if chance.random() < _BETA else "alpha",
        kind=kind,
        method=f"pm_random_{RATE}_{seed}_{number}{claims.get(kind, '')}",
        amount=_amount(chance),
    )


def _lost(chance: random.Random, number: int, turn: int) -> Planned:
    kind, operation = _STEPS[turn % len(_STEPS)]
    return Planned(
        number=number,
        processor="beta" if turn // len(_STEPS) % 2 else "alpha",
        kind=kind,
        method=f"pm_no_evidence_on_{operation}",
        amount=_amount(chance),
        fate=Fate.LOST,
    )


def _lied(chance: random.Random, number: int, turn: int) -> Planned:
    method, fate = _LIES[turn % len(_LIES)]
    return Planned(
        number=number,
        processor="beta" if turn // len(_LIES) % 2 else "alpha",
        kind=Kind.SALE,
        method=method,
        amount=_amount(chance),
        fate=fate,
    )


def _of_card(
    fate: Fate, card: str, steps: Sequence[tuple[Kind, str]], processors: Sequence[str] = ("alpha", "beta")
) -> _Make:
    """One operation after the other, each in turn at each of these processors."""

    def make(chance: random.Random, number: int, turn: int) -> Planned:
        kind, operation = steps[turn % len(steps)]
        return Planned(
            number=number,
            processor=processors[turn // len(steps) % len(processors)],
            kind=kind,
            method=f"{card}_{operation}",
            amount=_amount(chance),
            fate=fate,
        )

    return make


def _amount(chance: random.Random) -> int:
    return chance.randint(100, 50_000)


_KEYED: Final = ("alpha",)
"""Without keys there is none to outlive, and none to forget."""
_MAKERS: Final[Mapping[Fate, _Make]] = {
    Fate.LOST: _lost,
    Fate.LIED: _lied,
    Fate.OUTLIVES_KEY: _of_card(Fate.OUTLIVES_KEY, "pm_fault_outlives_key_on", _STEPS, _KEYED),
    Fate.TWICE: _of_card(Fate.TWICE, "pm_fault_effect_twice_on", _TWICE),
    Fate.DENIED: _of_card(Fate.DENIED, "pm_fault_refused_after_webhook_lost_on", _DENIABLE),
    Fate.PUT_OFF: _of_card(Fate.PUT_OFF, "pm_fault_rate_limited_after_webhook_lost_on", _DENIABLE),
    Fate.FORGOTTEN: _of_card(Fate.FORGOTTEN, "pm_fault_key_forgotten_on", _FORGETTABLE, _KEYED),
}
_EIGHTHS: Final[Mapping[int, Fate]] = {
    4: Fate.LOST,
    6: Fate.OUTLIVES_KEY,
    2: Fate.LIED,
    5: Fate.PUT_OFF,
    3: Fate.DENIED,
    1: Fate.TWICE,
    7: Fate.FORGOTTEN,
}
"""Where in each turn of so many payments a fate has its place; in turns of less than eight the first one has it."""
SPECIAL: Final[Mapping[str, Fate]] = {fate.value: fate for fate in _MAKERS}
"""What can be asked for more often, by name."""
