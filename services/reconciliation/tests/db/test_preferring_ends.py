"""A file that is to hold and cannot, for whatever reason, is tried some times, then given up; nothing waits for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest

from services.reconciliation.adapters.preferences import preferences_of
from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.staging import SqlStaging
from services.reconciliation.adapters.standing_gauges import StandingGauges
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.prefer_file import TRY_AGAIN_AFTER, ask_to_prefer, count_failure, let_hold
from services.reconciliation.app.run_matching import RunKind, run_matching
from services.reconciliation.entrypoints.worker import take_turn
from services.reconciliation.tests.db.test_preferring import FEE, of_fee
from services.reconciliation.tests.months import ADA
from services.reconciliation.tests.reports import declare, receive, report, take_in
from services.reconciliation.tests.writers import tieout_row
from shared.kernel.clock import SystemClock
from shared.kernel.errors import InvariantViolation
from shared.persistence.unit_of_work import Transactions
from shared.runtime import metric_names

pytestmark = pytest.mark.db


class Later(SystemClock):
    """A clock that the test sets forward."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
def clock(desk):
    made = Later()
    desk.transactions = Transactions(
        desk.engine, ReconciliationUnitOfWork, source="/tieout/reconciliation", clock=made, ids=desk.ids
    )
    return made


@pytest.fixture
def two(desk, clock):
    declare(desk)
    return tuple(take_in(desk, of_fee(fee_minor)) for fee_minor in (100, 90))


def too_slow(self, *_):
    self._connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
    self._connection.exec_driver_sql("SELECT pg_sleep(5)")


def at_fault(*_):
    raise ZeroDivisionError


def not_storable(self, *_):
    self._connection.exec_driver_sql("UPDATE settlement_lines SET gross_minor = 9007199254740992")


def ask(desk, file):
    return desk.run(lambda uow: ask_to_prefer(file.file_id, "a correction", ADA, uow))


def asked(desk, file):
    return desk.run(lambda uow: preferences_of(uow.connection, file.file_id))[-1]


def turns(desk):
    """Until nothing is left to do at this moment."""
    count = 0
    while take_turn(READERS, desk.transactions):
        count += 1
        assert count < 20, "it is tried for ever"
    return count


def failed_in(desk):
    return StandingGauges(desk.engine, SystemClock()).samples_of(
        metric_names.RECONCILIATION_PREFERENCES_FAILED
    )


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (too_slow, "canceling statement due to statement timeout"),
        (at_fault, "ZeroDivisionError"),
        (not_storable, "database_refused: 23514 settlement_lines"),
    ],
)
def test_what_fails_each_time_ends_and_files_behind_it_go_on(desk, clock, two, monkeypatch, fault, said):
    whole = SqlStaging.prefer
    monkeypatch.setattr(SqlStaging, "prefer", fault)
    ask(desk, two[0])
    behind = receive(desk, report(tieout_row(9, "po_9"))).file
    assert turns(desk) == 2, "tried once, then the file behind it"
    assert desk.run(lambda uow: uow.files.get(behind.file_id)).state == "STAGED"
    for number, wait in enumerate(TRY_AGAIN_AFTER, start=1):
        left = asked(desk, two[0])
        assert (left.state, left.tries, left.ended_at) == ("WAITING", number, None)
        assert turns(desk) == 0, "not before its time"
        clock.ahead += wait
        assert turns(desk) == 1
    ended = asked(desk, two[0])
    assert (ended.state, ended.refused_code, ended.tries) == ("FAILED", "prefer_keeps_failing", 3)
    assert said in ended.refused
    assert "Ask again" in ended.refused
    assert (desk.rows(FEE), desk.rows("SELECT FROM preferred_files")) == ([(90,)], [])
    desk.run(lambda uow: run_matching(RunKind.INCREMENTAL, "test", uow))
    assert failed_in(desk) == {(): 1}
    monkeypatch.setattr(SqlStaging, "prefer", whole)
    ask(desk, two[0])
    assert failed_in(desk) == {(): 0}
    assert turns(desk) == 1
    assert (asked(desk, two[0]).state, desk.rows(FEE)) == ("DONE", [(100,)])


def test_what_was_in_the_way_once_is_done_at_the_next_try(desk, clock, two, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(SqlStaging, "prefer", too_slow)
        ask(desk, two[0])
        turns(desk)
    clock.ahead += TRY_AGAIN_AFTER[0]
    assert turns(desk) == 1
    done = asked(desk, two[0])
    assert (done.state, done.tries, desk.rows(FEE)) == ("DONE", 1, [(100,)])


def test_given_up_while_somebody_is_at_it_nothing_of_it_is_done(desk, clock, two):
    """Its session seemed lost to whoever counts; of both words one counts, and with it everything or nothing."""
    ask(desk, two[0])
    last = len(TRY_AGAIN_AFTER)
    with desk.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE asked_preferences SET tries = {last}")

    def both(uow):
        waiting = uow.preferences.next_waiting()
        desk.run(lambda other: count_failure(waiting, "lost", other))
        let_hold(waiting, uow)

    with pytest.raises(InvariantViolation, match="preference_waits"):
        desk.run(both)
    assert (asked(desk, two[0]).state, desk.rows(FEE)) == ("FAILED", [(90,)])


def test_what_was_done_meanwhile_is_not_counted_as_failed(desk, clock, two):
    waiting = ask(desk, two[0])
    assert turns(desk) == 1
    assert desk.run(lambda uow: count_failure(waiting, "lost", uow)) is None
    assert asked(desk, two[0]).state == "DONE"


def test_plain_sql_fails_nothing_without_a_reason_or_a_try(desk, app_sql, clock, two):
    ask(desk, two[0])
    for columns in ("refused_code = NULL, refused = NULL, tries = 1", "refused_code = 'a', refused = 'b'"):
        with pytest.raises(psycopg.errors.CheckViolation):
            app_sql.execute(f"UPDATE asked_preferences SET state = 'FAILED', ended_at = now(), {columns}")
        app_sql.rollback()
