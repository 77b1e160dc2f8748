"""One round: kill services exactly at their points, under load, and see that everything still ties out afterwards."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from shared.kernel.clock import Clock, SystemClock
from shared.testing.waiting import eventually
from tools.auditor.model import Invariant
from tools.crash.deaths import REBALANCES, Deaths
from tools.crash.load import Load
from tools.crash.operators import HELD_UP, Redrives
from tools.crash.points import ONLY_BY_OPERATORS, CrashCase
from tools.crash.stack import FragileStack, broken, in_short

WAVES_MAX: Final = 4
"""Of load that a standing order lasts: what comes while the process is on its way back is not its chance."""
BEGUN_S: Final = 60.0
REACHED_S: Final = 120.0
"""Several processes may be down on the way to the last point."""
KILLED_S: Final = 20.0


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

    Meanwhile what must hold at any moment is asked again and again, also while processes are dead.
    Services die side by side, the cases of one service one after the other. That every point was reached, and that
    nobody died more often than that, is asked of each case by itself.
    """
    clock = clock or SystemClock()
    began_s = clock.monotonic_s()
    services = list(dict.fromkeys(case.service for case in cases))
    doomed = [Deaths(stack, name, [case for case in cases if case.service == name]) for name in services]
    with stack.live_audits() as live:
        loads = _drive_until_dead(stack, doomed)
        killed_s = clock.monotonic_s()
        stack.wait_until_back(*services)
        back_s = clock.monotonic_s()
        problems = [problem for load in loads for problem in load.finish()]
    done_s = clock.monotonic_s()
    report = stack.audit()
    took = Survived(killed_s - began_s, back_s - killed_s, done_s - back_s, clock.monotonic_s() - done_s)
    of_one = {
        case: f"{case}: the point was not reached in {WAVES_MAX} waves of load"
        for own in doomed
        for case in own.alive
    }
    for own in doomed:
        if own.kills != len(own.dead):
            of_one |= {case: f"{case}: killed {own.kills} times, not {len(own.dead)}" for case in own.dead}
    problems += live.problems()
    of_all = [str(problems)] if problems else []
    under_load = in_short(_not_our_own(live.broken.values()))
    of_all += [f"under load: {under_load}"] if under_load else []
    of_all += [] if report.holds else [str(broken(report))]
    return Round(cases, took, of_one, "; ".join(of_all))


def _not_our_own(broken: Iterable[Invariant]) -> Iterator[Invariant]:
    """What did not hold, but for the keys that our own operators parked."""
    for invariant in broken:
        rows = [row for row in invariant.violations if row.get("detail") != HELD_UP]
        if rows:
            yield replace(invariant, violations=rows)


def _named(cases: Sequence[CrashCase]) -> str:
    return ", ".join(str(case) for case in cases)


def _drive_until_dead(stack: FragileStack, doomed: Sequence[Deaths]) -> list[Load]:
    """Start waves of load one after the other until each point was reached; the last may still be running.

    Given up once every order that still stands outlasted ``WAVES_MAX`` of them: nobody fails for another's point.
    """
    loads: list[Load] = []
    with ExitStack() as members:
        try:
            for wave in count():
                load = Load(stack, f"{doomed[0].service}-{wave}", beside=_operators(stack, doomed)).start()
                loads.append(load)
                if not load.has_begun.wait(BEGUN_S):
                    raise CrashFailed(f"{_alive(doomed)}: no payment finished within {BEGUN_S:.0f} s")
                for own in doomed:
                    if wave == 0:
                        own.begin(members)
                    else:
                        own.waves += 1
                _until_dead_or_over(doomed, load)
                waiting = [own for own in doomed if own.alive]
                if all(own.waves >= WAVES_MAX for own in waiting):
                    break
        finally:
            for own in doomed:
                own.withdraw()
        for own in doomed:
            _until_nobody_is_dying(own)
    return loads


def _operators(stack: FragileStack, doomed: Sequence[Deaths]) -> Callable[[], None]:
    """What operators do after each payment: only where a process has to pass what nobody else makes it pass."""
    at = {own: Redrives(stack, own.service) for own in doomed if _needs_operators(own)}

    def work() -> None:
        for own, redrives in at.items():
            if _needs_operators(own):
                redrives.send()

    return work


def _needs_operators(own: Deaths) -> bool:
    return any(case.family in ONLY_BY_OPERATORS for case in own.alive)


def _alive(doomed: Sequence[Deaths]) -> str:
    return _named([case for own in doomed for case in own.alive])


def _until_dead_or_over(doomed: Sequence[Deaths], load: Load) -> None:
    def over() -> bool:
        for own in doomed:
            own.advance()
        waiting = [own for own in doomed if own.alive]
        waits = any(own.is_dying or own.is_coming_back or _rebalances(own) for own in waiting)
        return not waiting or not (load.is_running() or waits)

    eventually(
        over, timeout_s=REACHED_S, describe=lambda: f"{_alive(doomed)}: the point was reached and killed at"
    )


def _rebalances(own: Deaths) -> bool:
    return own.ordered is not None and own.ordered.point == REBALANCES


def _until_nobody_is_dying(own: Deaths) -> None:
    def over() -> bool:
        own.advance(may_order=False)
        return not own.is_dying

    eventually(over, timeout_s=KILLED_S, describe=f"{_alive([own])}: the supervisor saw it die by SIGKILL")
