"""Plays rounds, and finds out by whose death a round was broken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tools.crash.kill import CrashFailed, Round, Survived, kill_at
from tools.crash.points import CrashCase
from tools.crash.stack import FragileStack

BY_HAND: Final = "TIEOUT_CRASH_ONLY=<case> pytest -m crash -k killed_at"


@dataclass(frozen=True, slots=True)
class Stopped:
    """A round that did not come to its end."""

    cases: tuple[CrashCase, ...]
    error: Exception

    def failure_of(self, _case: CrashCase) -> str:
        """The same for all."""
        return f"killed {', '.join(map(str, self.cases))}: {type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a case's test says."""

    failure: str
    took: Survived | None
    cause: Exception | None


def require_survival(verdicts: Mapping[CrashCase, Verdict]) -> None:
    """Raise ``CrashFailed`` with what went wrong in any case, unless all went well."""
    failed = [verdict for verdict in verdicts.values() if verdict.failure]
    if failed:
        raise CrashFailed("\n".join(verdict.failure for verdict in failed)) from failed[0].cause


class Rounds:
    """The rounds of one stack.

    A round that broke something for all its cases spoils the stack. Where ``may_renew``, the stack begins again
    and each case dies alone: those that fail alone too are the culprits, and only they fail. If none does, all fail.
    That takes minutes, so only the first such round is taken apart; where much is broken, one culprit is a beginning.
    """

    def __init__(self, stack: FragileStack, *, may_renew: bool) -> None:
        self._stack = stack
        self._may_renew = may_renew
        self._is_spoiled = False
        self._may_take_apart = may_renew

    def play(self, cases: tuple[CrashCase, ...]) -> dict[CrashCase, Verdict]:
        """What became of each of them."""
        together = self._attempt(cases)
        if not self._is_spoiled or len(cases) == 1:
            return {case: _verdict(case, together) for case in cases}
        if not self._may_take_apart:
            hint = f"; one by itself: {BY_HAND}"
            return {case: _verdict(case, together, hint) for case in cases}
        self._may_take_apart = False
        alone = {case: self._attempt((case,)) for case in cases}
        guilty = [case for case in cases if alone[case].failure_of(case)]
        if not guilty:
            return {case: _verdict(case, together, "; each of them alone did no harm") for case in cases}
        return {
            case: _verdict(case, together, f"; alone: {alone[case].failure_of(case)}")
            if case in guilty
            else _verdict(case, alone[case])
            for case in cases
        }

    def _attempt(self, cases: tuple[CrashCase, ...]) -> Round | Stopped:
        if self._is_spoiled and self._may_renew:
            self._stack.renew()
        self._is_spoiled = False
        played: Round | Stopped
        try:
            played = kill_at(self._stack, *cases)
        except Exception as error:  # noqa: BLE001 - carried over to the tests of all these cases
            played = Stopped(cases, error)
        self._is_spoiled = isinstance(played, Stopped) or bool(played.of_all)
        return played


def _verdict(case: CrashCase, played: Round | Stopped, more: str = "") -> Verdict:
    failure = played.failure_of(case)
    return Verdict(
        failure and failure + more,
        played.took if isinstance(played, Round) else None,
        played.error if isinstance(played, Stopped) else None,
    )
