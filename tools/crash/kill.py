"""One case: kill a service exactly at a point, under load, and see that everything still ties out afterwards."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from shared.kernel.clock import Clock, SystemClock
from shared.testing.waiting import eventually
from tools.crash.load import Load
from tools.crash.points import CrashCase
from tools.crash.stack import FragileStack, broken

WAVES_MAX: Final = 4
BEGUN_S: Final = 60.0
KILLED_S: Final = 20.0
REBALANCES: Final = "consumer.in_revoke"
"""Partitions are taken away only when another member joins."""


class CrashFailed(AssertionError):  # noqa: N818 - says what happened
    """The point was not reached, the process did not come back, or something does not tie out."""


@dataclass(frozen=True, slots=True)
class Survived:
    """How long a case took, in its parts."""

    until_killed_s: float
    until_back_s: float
    until_done_s: float
    until_audited_s: float


def kill_at(stack: FragileStack, case: CrashCase, clock: Clock | None = None) -> Survived:
    """Kill the case's service at its point, let the load finish, drain and audit. Raises ``CrashFailed``."""
    clock = clock or SystemClock()
    began_s = clock.monotonic_s()
    kills_before = stack.kills_seen(case.service)
    loads = _drive_until_taken(stack, case)
    _wait_for_the_kill(stack, case, kills_before)
    killed_s = clock.monotonic_s()
    stack.wait_until_back(case.service)
    back_s = clock.monotonic_s()
    problems = [problem for load in loads for problem in load.finish()]
    if problems:
        raise CrashFailed(f"{case}: {problems}")
    done_s = clock.monotonic_s()
    report = stack.audit()
    if not report.holds:
        raise CrashFailed(f"{case}: {broken(report)}")
    if stack.kills_seen(case.service) != kills_before + 1:
        raise CrashFailed(f"{case}: killed more than once")
    return Survived(killed_s - began_s, back_s - killed_s, done_s - back_s, clock.monotonic_s() - done_s)


def _drive_until_taken(stack: FragileStack, case: CrashCase) -> list[Load]:
    """Start waves of load one after the other until the point was reached; the last may still be running."""
    loads: list[Load] = []
    member = stack.second_copy(case.service, "consume") if case.point == REBALANCES else nullcontext()
    try:
        for wave in range(WAVES_MAX):
            load = Load(stack, f"{case}-{wave}").start()
            loads.append(load)
            if not load.has_begun.wait(BEGUN_S):
                raise CrashFailed(f"{case}: no payment finished within {BEGUN_S:.0f} s")
            if wave == 0:
                stack.order_death(case.service, case.point)
                with member:
                    _until_taken_or_over(stack, case, load)
            else:
                _until_taken_or_over(stack, case, load)
            if stack.order_was_taken(case.service):
                return loads
    finally:
        stack.withdraw_order(case.service)
    raise CrashFailed(f"{case}: the point was not reached in {WAVES_MAX} waves of load")


def _until_taken_or_over(stack: FragileStack, case: CrashCase, load: Load) -> None:
    eventually(
        lambda: stack.order_was_taken(case.service) or not (load.is_running() or case.point == REBALANCES),
        timeout_s=BEGUN_S,
        describe=f"{case}: the point was reached",
    )


def _wait_for_the_kill(stack: FragileStack, case: CrashCase, kills_before: int) -> None:
    eventually(
        lambda: stack.kills_seen(case.service) > kills_before,
        timeout_s=KILLED_S,
        describe=f"{case}: the supervisor saw it die by SIGKILL",
    )
