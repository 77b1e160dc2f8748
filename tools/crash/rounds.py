"""Which cases die in one round: few points of each process, so that load, drain and audit serve many."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from tools.crash.points import CrashCase, service_cases

DEATHS_MAX: Final = 2
"""How often a process dies in one round: the next time costs no more than its restart."""


def rounds_of(cases: Sequence[CrashCase]) -> tuple[tuple[CrashCase, ...], ...]:
    """Every case in exactly one round; as many rounds as the process with most points needs, all about as full.

    Each service begins in another round, so that processes die together at different kinds of points.
    """
    by_service = [list(own) for _, own in groupby(cases, key=lambda case: case.service)]
    number = max((-(-len(own) // DEATHS_MAX) for own in by_service), default=0)
    rounds: list[list[CrashCase]] = [[] for _ in range(number)]
    for turn, own in enumerate(by_service):
        first = turn * number // len(by_service)
        for place, case in enumerate(own):
            rounds[(first + place * number // len(own)) % number].append(case)
    return tuple(tuple(one) for one in rounds)


ROUNDS: Final = rounds_of(service_cases())


def rounds_with(part_of_name: str) -> tuple[tuple[CrashCase, ...], ...]:
    """What is left of the rounds when only cases with this in their name die."""
    chosen = (tuple(case for case in cases if part_of_name in str(case)) for cases in ROUNDS)
    return tuple(filter(None, chosen))
