"""Whose fault it is that timed work failed: the database's, a piece's, or that of what finds the pieces."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa

from shared.kernel.errors import CommitUnknown
from shared.runtime.apart import Resting, Takes
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import value_of
from shared.testing.virtual_clock import VirtualClock

ROLE = "work.of_tests"


def refused(kind: type[psycopg.Error]) -> sa.exc.DBAPIError:
    return sa.exc.OperationalError("SELECT 1", None, kind("planted"))


class Turns:
    """Work of three pieces, of which ``b`` fails, and what was done of it."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.done: list[str] = []

    def __call__(self, takes: Takes) -> None:
        done = []
        for piece in "abc":
            if not takes(piece):
                continue
            if piece == "b":
                raise self.error
            done.append(piece)
        self.done += done


@pytest.mark.parametrize("kind", [psycopg.errors.QueryCanceled, psycopg.errors.ProgramLimitExceeded])
def test_a_piece_that_takes_too_long_or_meets_a_limit_keeps_no_other_waiting(
    kind: type[psycopg.Error],
) -> None:
    """The driver calls both operational, as it calls a server that is away; the same piece meets them again."""
    work, failed_before = Turns(refused(kind)), value_of(WORK_FAILED, ROLE)
    resting = Resting(ROLE, VirtualClock())
    for _ in range(2):
        resting.run(work)
    assert (work.done[0], work.done[-1]) == ("a", "c")
    assert value_of(WORK_FAILED, ROLE) == failed_before + 1


@pytest.mark.parametrize(
    "error",
    [
        refused(psycopg.errors.AdminShutdown),
        refused(psycopg.errors.LockNotAvailable),
        refused(psycopg.errors.DeadlockDetected),
        sa.exc.OperationalError("SELECT 1", None, psycopg.OperationalError("connection refused")),
        sa.exc.TimeoutError("no connection is free"),
        CommitUnknown("planted", "1", "nobody can tell"),
    ],
    ids=lambda error: type(getattr(error, "orig", error)).__name__,
)
def test_a_database_that_cannot_be_asked_is_no_fault_of_any_piece(error: Exception) -> None:
    work = Turns(error)
    with pytest.raises(type(error)):
        Resting(ROLE, VirtualClock()).run(work)
    assert work.done == []


def test_that_the_pieces_cannot_be_found_ends_the_role_for_all_to_see() -> None:
    def finds_nothing(_takes: Takes) -> None:
        raise LookupError("no such column")

    work: Callable[[Takes], None] = finds_nothing
    with pytest.raises(LookupError):
        Resting(ROLE, VirtualClock()).run(work)
