"""Timed work takes all that is due in one transaction; where that fails, each piece is tried in one of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from shared.kernel.errors import CommitUnknown
from shared.persistence.commit_lookup import refusal_of
from shared.runtime.edge import is_unavailable
from shared.runtime.logs import logger
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import counter

R = TypeVar("R")
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


def cannot_be_asked(error: BaseException) -> bool:
    """Whether the database is the reason, and not the work: the same is done again once it answers."""
    return isinstance(error, CommitUnknown) or is_unavailable(error)


def _said(error: Exception) -> str:
    return refusal_of(error) if isinstance(error, DBAPIError) else f"{type(error).__name__}: {error}"
