"""A periodic role rests as long as it was told to, or as its action says."""

from __future__ import annotations

import threading

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.kernel.errors import CommitUnknown
from shared.runtime.roles import PeriodicRole

pytestmark = pytest.mark.unit


class Rests(threading.Event):
    """Stops the role after its second turn, and notes how long it was to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked_s.append(round(timeout or 0.0, 2))
        self.set()
        return True


@pytest.mark.parametrize(("said", "rest_s"), [(None, 3.0), (False, 3.0), (0.25, 0.25)])
def test_it_rests_as_long_as_its_action_says(said: float | None, rest_s: float) -> None:
    rests = Rests()
    PeriodicRole("role", 3.0, lambda: said).run(rests)
    assert rests.asked_s == [pytest.approx(rest_s, abs=0.02)]


def test_there_is_more_to_do_at_once() -> None:
    turns: list[bool | float] = [0.25, True]
    role = PeriodicRole("role", 3.0, turns.pop)
    assert [role.turn(), role.turn()] == [True, False]


GONE = psycopg.OperationalError("the session ended")


@pytest.mark.parametrize(
    "away",
    [
        OperationalError("SELECT 1", None, GONE),
        OperationalError("SELECT 1", None, psycopg.errors.QueryCanceled("it took too long")),
        OperationalError("UPDATE", None, psycopg.errors.DeadlockDetected("once too often")),
        DBAPIError("SELECT 1", None, psycopg.DatabaseError("gone"), connection_invalidated=True),
        PoolTimeout("no session is free"),
        CommitUnknown("claim", "1", "no answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_is_away_is_waited_out(away: Exception) -> None:
    def action() -> None:
        raise away

    assert PeriodicRole("role", 3.0, action).turn() is False


def test_a_fault_ends_the_role() -> None:
    def action() -> None:
        raise IntegrityError("INSERT", None, psycopg.errors.UniqueViolation("twice"))

    with pytest.raises(IntegrityError):
        PeriodicRole("role", 3.0, action).turn()
