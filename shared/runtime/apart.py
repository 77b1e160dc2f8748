"""Timed work takes all that is due in one transaction; where that fails, each piece is tried in one of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.clock import Clock
from shared.kernel.errors import CommitUnknown
from shared.persistence.commit_lookup import is_away, is_transient, refusal_of
from shared.runtime.logs import logger
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import counter

#: By the name of a piece of work, whether it is its turn.
Takes = Callable[[str], bool]
R = TypeVar("R")
REST_BASE_S: Final = 2.0
REST_MAX_S: Final = 600.0
_log = logger(__name__)


def together_or_apart(together: Callable[[], R], apart: Callable[[], R], *, role: str) -> R:
    """Do all at once, or, where that fails, each apart: what one piece breaks keeps no other waiting.

    Raises where the database cannot be asked or did not say what became of it: apart nothing would be better.
    """
    try:
        return together()
    except Exception as error:
        if cannot_be_asked(error):
            raise
        _log.warning("taken_apart", role=role, error=_said(error))
    return apart()


def done_apart(piece: Callable[[], object], *, role: str, name: str) -> bool:
    """Do one piece in a transaction of its own; False where it failed, which the log tells and a metric counts."""
    try:
        piece()
    except Exception as error:
        if cannot_be_asked(error):
            raise
        counter(WORK_FAILED, role)
        # A database's error repeats the whole statement, with the values: of that only the refusal is told.
        _log.error(
            "work_failed",
            role=role,
            piece=name,
            error=_said(error),
            exc_info=not isinstance(error, DBAPIError),
        )
        return False
    return True


class Resting:
    """The work of one role whose pieces cannot remember that they failed: they rest with back-off in this process."""

    def __init__(self, role: str, clock: Clock) -> None:
        self._role = role
        self._clock = clock
        #: By piece how often it failed in a row, and until when it rests.
        self._failed: dict[str, tuple[int, float]] = {}

    @property
    def count(self) -> int:
        """So many more must be looked at for as much to be found as without them."""
        return len(self._failed)

    def run(self, work: Callable[[Takes], R]) -> R | None:
        """Do what is due and does not rest in one transaction; None where that failed and each was tried apart.

        ``work`` asks of each piece by name whether it is its turn, and finds the same ones when it is run again.
        """
        asked: dict[str, None] = {}

        def awake(piece: str) -> bool:
            if self._rests(piece):
                return False
            asked[piece] = None
            return True

        def apart() -> R | None:
            if not asked:
                # What finds the pieces failed, and none of them is to blame: once more, and for all to see.
                return work(awake)
            self._each(work, list(asked))
            return None

        done: R | None = together_or_apart(lambda: work(awake), apart, role=self._role)
        # What was awake and did not fail anew went well, or was ended by somebody else.
        self._failed = {piece: failed for piece, failed in self._failed.items() if self._rests(piece)}
        return done

    def _rests(self, piece: str) -> bool:
        return self._failed.get(piece, (0, 0.0))[1] > self._clock.monotonic_s()

    def _each(self, work: Callable[[Takes], R], pieces: list[str]) -> None:
        for piece in pieces:
            if not done_apart(partial(work, piece.__eq__), role=self._role, name=piece):
                failures = self._failed.get(piece, (0, 0.0))[0] + 1
                rest_s = min(REST_BASE_S * 2 ** min(failures, 16), REST_MAX_S)
                self._failed[piece] = (failures, self._clock.monotonic_s() + rest_s)


def cannot_be_asked(error: BaseException) -> bool:
    """Whether the database is the reason, and not the work: the same is done again once it answers.

    A statement that took too long or a limit that its data met is the work's: the same piece meets it again.
    """
    if isinstance(error, DBAPIError):
        return is_away(error) or is_transient(error)
    return isinstance(error, (CommitUnknown, PoolTimeout))


def _said(error: Exception) -> str:
    return refusal_of(error) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"
