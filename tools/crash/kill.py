"""One round: kill services exactly at their points, under load, and see that everything still ties out afterwards."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from shared.kernel.clock import Clock, SystemClock
from shared.testing.waiting import eventually
from tools.crash.load import Load
from tools.crash.points import CrashCase
from tools.crash.stack import FragileStack, broken

WAVES_MAX: Final = 4
BEGUN_S: Final = 60.0
REACHED_S: Final = 120.0
"""Several processes may be down on the way to the last point."""
KILLED_S: Final = 20.0
REBALANCES: Final = "consumer.in_revoke"
"""Partitions are taken away only when another member joins."""


class CrashFailed(AssertionError):  # noqa: N818 - says what happened
    """The point was not reached, the process did not come back, or something does not tie out."""


@dataclass(frozen=True, slots=True)
class Survived:
    """How long a round took, in its parts."""

    until_killed_s: float
    until_back_s: float
    until_done_s: float
    until_audited_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """What came of killing these cases' services in one load. ``of_all`` is what nobody can lay at one case's door."""

    cases: Sequence[CrashCase]
    took: Survived
    of_one: dict[CrashCase, str] = field(default_factory=dict)
    of_all: str = ""

    def failure_of(self, case: CrashCase) -> str:
        """What went wrong with the case, and with the round as a whole; empty if nothing did."""
        found = [self.of_one.get(case, ""), self.of_all and f"killed {_named(self.cases)}: {self.of_all}"]
        return "; ".join(filter(None, found))


def kill_at(stack: FragileStack, *cases: CrashCase, clock: Clock | None = None) -> Round:
    """Kill each case's service at its point in the same load, let the load finish, drain and audit.

    At most one case of each service. That every point was reached, and its process died exactly once, is asked of
    each case by itself.
    """
    clock = clock or SystemClock()
    began_s = clock.monotonic_s()
    kills_before = {case: stack.kills_seen(case.service) for case in cases}
    loads = _drive_until_taken(stack, cases)
    taken = [case for case in cases if stack.order_was_taken(case.service)]
    for case in taken:
        _wait_for_the_kill(stack, case, kills_before[case])
    killed_s = clock.monotonic_s()
    stack.wait_until_back(*(case.service for case in cases))
    back_s = clock.monotonic_s()
    problems = [problem for load in loads for problem in load.finish()]
    done_s = clock.monotonic_s()
    report = stack.audit()
    took = Survived(killed_s - began_s, back_s - killed_s, done_s - back_s, clock.monotonic_s() - done_s)
    of_one = {
        case: f"{case}: the point was not reached in {WAVES_MAX} waves of load"
        for case in cases
        if case not in taken
    }
    for case in taken:
        kills = stack.kills_seen(case.service) - kills_before[case]
        if kills != 1:
            of_one[case] = f"{case}: killed {kills} times"
    of_all = [str(problems)] if problems else []
    of_all += [] if report.holds else [str(broken(report))]
    return Round(cases, took, of_one, "; ".join(of_all))


def _named(cases: Sequence[CrashCase]) -> str:
    return ", ".join(str(case) for case in cases)


def _drive_until_taken(stack: FragileStack, cases: Sequence[CrashCase]) -> list[Load]:
    """Start waves of load one after the other until each point was reached; the last may still be running."""
    loads: list[Load] = []
    with ExitStack() as members:
        try:
            for wave in range(WAVES_MAX):
                load = Load(stack, f"{cases[0]}-{wave}").start()
                loads.append(load)
                if not load.has_begun.wait(BEGUN_S):
                    raise CrashFailed(f"{_named(cases)}: no payment finished within {BEGUN_S:.0f} s")
                if wave == 0:
                    for case in cases:
                        stack.order_death(case.service, case.point)
                    for case in cases:
                        if case.point == REBALANCES:
                            members.enter_context(stack.second_copy(case.service, "consume"))
                _until_taken_or_over(stack, cases, load)
                if not _alive(stack, cases):
                    break
        finally:
            for case in cases:
                stack.withdraw_order(case.service)
    return loads


def _alive(stack: FragileStack, cases: Sequence[CrashCase]) -> list[CrashCase]:
    return [case for case in cases if not stack.order_was_taken(case.service)]


def _until_taken_or_over(stack: FragileStack, cases: Sequence[CrashCase], load: Load) -> None:
    def over() -> bool:
        alive = _alive(stack, cases)
        return not alive or not (load.is_running() or any(case.point == REBALANCES for case in alive))

    eventually(
        over,
        timeout_s=REACHED_S,
        describe=lambda: f"{_named(_alive(stack, cases))}: the point was reached",
    )


def _wait_for_the_kill(stack: FragileStack, case: CrashCase, kills_before: int) -> None:
    eventually(
        lambda: stack.kills_seen(case.service) > kills_before,
        timeout_s=KILLED_S,
        describe=f"{case}: the supervisor saw it die by SIGKILL",
    )
