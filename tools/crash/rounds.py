"""Which cases die in one round: one point of each process at most, so that load, drain and audit serve several."""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Final

from tools.crash.points import CrashCase, service_cases


def rounds_of(cases: Sequence[CrashCase]) -> tuple[tuple[CrashCase, ...], ...]:
    """Every case in exactly one round; as many rounds as the process with most points needs, all about as full.

    Each service begins in another round, so that processes die together at different kinds of points.
    """
    by_service = [list(own) for _, own in groupby(cases, key=lambda case: case.service)]
    number = max((len(own) for own in by_service), default=0)
    rounds: list[list[CrashCase]] = [[] for _ in range(number)]
    for turn, own in enumerate(by_service):
        first = turn * number // len(by_service)
        for place, case in enumerate(own):
            rounds[(first + place * number // len(own)) % number].append(case)
    return tuple(tuple(one) for one in rounds)


ROUNDS: Final = rounds_of(service_cases())


def number_of(case: CrashCase) -> int:
    """The round of a case."""
    return next(number for number, cases in enumerate(ROUNDS) if case in cases)


def companions(case: CrashCase, chosen: Collection[CrashCase]) -> tuple[CrashCase, ...]:
    """The cases of this one's round that are chosen; the case itself is always among them."""
    return tuple(one for one in ROUNDS[number_of(case)] if one == case or one in chosen)
