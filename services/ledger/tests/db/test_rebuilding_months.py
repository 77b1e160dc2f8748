"""Months of books that are filled from the archive: closed again as they were, and sealed with a key of their own."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from services.ledger.adapters import told_journals
from services.ledger.adapters.former_keys import refuse_former_key
from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.heads import stored_heads
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.close_period import reject_close
from services.ledger.app.restore_close import restore_close
from services.ledger.app.verify_seals import verify_seals
from services.ledger.domain.periods import in_open_period
from services.ledger.tests.db.adjusting import ADA
from services.ledger.tests.db.closing import close, propose_closing, seal
from services.ledger.tests.db.rebuilding import Books
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import new_key_pair
from shared.runtime.startup import StartupRefused

pytestmark = pytest.mark.db
JULY, AUGUST = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 1, tzinfo=UTC)
WHEN = """
SELECT j.payment_id, j.effective_at, l.told_effective_at
  FROM journals j LEFT JOIN late_journals l ON l.journal_position = j.position
"""
CLOSED = "SELECT count(*) FROM closed_periods"


@pytest.fixture
def live(service_database):
    """Books with July closed, one fact of it booked before that and one after, and a close that was rejected."""
    books = Books(service_database("ledger"))
    refused = propose_closing(books, "2024-07")
    books.transactions.run(lambda uow: reject_close(refused, "too early", ADA, uow), name="test")
    books.in_time = books.tell(Payment(1).captured(10_000, 300), time=JULY)
    close(books, "2024-07")
    books.late = books.tell(Payment(2).captured(10_000, 300), time=JULY)
    yield books
    books.dispose()


@pytest.fixture
def rebuilt(service_database):
    books = Books(service_database("ledger"))
    yield books
    books.dispose()


def of(books, number):
    """When that payment's journal took effect, and what was told where that was in a closed month."""
    payment = Payment(number).payment_id
    return next(tuple(times) for name, *times in books.rows(WHEN) if name == payment)


def found(books, *, heads=(), closes=(), keys=()):
    with sealed_books(books.engine) as sealed:
        return verify_seals(sealed, heads, HeadVerifier(keys), kept_closes=closes).finding


def test_what_the_old_books_never_told_of_is_late_as_it_would_have_been_there(live, rebuilt, tmp_path):
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    untold = rebuilt.tell(Payment(3).captured(10_000, 300), time=JULY)
    rebuilt.hear([*live.late, *live.in_time])
    assert rebuilt.rows(CLOSED) == [(0,)]
    closes = rebuilt.close_again(archive)
    assert (closes.restored, closes.known, closes.waiting, closes.untold) == (2, 0, (), ())
    assert (of(rebuilt, 1), of(rebuilt, 2)) == (of(live, 1), of(live, 2)) == ((JULY, None), (AUGUST, JULY))
    live.hear(untold)
    assert of(rebuilt, 3) == of(live, 3) == (AUGUST, JULY)
    assert found(rebuilt) is None
    assert rebuilt.everything()["closes"] == live.everything()["closes"]
    assert rebuilt.close_again(archive).known == 2


def test_a_journal_in_a_closed_month_is_refused_unless_it_was_told_so(live, rebuilt, tmp_path, monkeypatch):
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    monkeypatch.setattr("services.ledger.adapters.journals.in_open_period", lambda journal, _: journal)
    with pytest.raises(psycopg.IntegrityError, match=r"everything before .* is closed"):
        rebuilt.tell(Payment(3).captured(10_000, 300), time=JULY)
    told = live.in_time[0]
    other = dataclasses.replace(told, data=replace(told.data, effective_at=JULY + timedelta(days=1)))
    with pytest.raises(psycopg.IntegrityError, match=r"everything before .* is closed"):
        rebuilt.hear([other])

    def at_another_end(journal, *_):
        return in_open_period(journal, datetime(2024, 9, 1, tzinfo=UTC))

    monkeypatch.setattr("services.ledger.adapters.journals.as_told", at_another_end)
    with pytest.raises(IntegrityError, match="is not late"):
        rebuilt.hear(live.late)
    monkeypatch.undo()
    rebuilt.hear(live.in_time)
    assert of(rebuilt, 1) == (JULY, None)


def test_a_month_is_closed_once_all_that_was_told_in_it_is_there(live, rebuilt, tmp_path):
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    rebuilt.hear(live.late)
    closes = rebuilt.close_again(archive)
    assert (closes.waiting, rebuilt.rows(CLOSED)) == (("2024-07",), [(0,)])
    rebuilt.hear(live.in_time)
    closes = rebuilt.close_again(archive)
    assert (closes.waiting, rebuilt.rows(CLOSED)) == ((), [(1,)])
    assert of(rebuilt, 1) == (JULY, None)


def test_what_was_told_comes_late_where_people_closed_its_month_anew(live, rebuilt, tmp_path, monkeypatch):
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    close(rebuilt, "2024-08")
    with monkeypatch.context() as patched:
        patched.setattr(
            told_journals, "_TOLD", told_journals._TOLD.replace("c.ends_at >", "false AND c.ends_at >")
        )
        with pytest.raises(psycopg.IntegrityError, match=r"everything before .* is closed"):
            rebuilt.hear(live.in_time)
    rebuilt.hear([*live.in_time, *live.late])
    assert of(rebuilt, 1) == (datetime(2024, 9, 1, tzinfo=UTC), JULY)
    closes = rebuilt.close_again(archive)
    assert (closes.anew, closes.waiting, rebuilt.rows(CLOSED)) == (("2024-07",), (), [(1,)])


def test_a_close_of_before_its_decision_was_an_event_is_named(
    service_database, rebuilt, tmp_path, monkeypatch
):
    books = Books(service_database("ledger"))
    monkeypatch.setattr(LedgerUnitOfWork, "announce_close_decision", lambda *_: None)
    closed = close(books, "2024-07")
    archive = books.archive(tmp_path)
    books.dispose()
    rebuilt.restore(archive)
    assert rebuilt.close_again(archive).untold == (closed.close_id,)


def test_a_close_that_stands_otherwise_is_refused(live, rebuilt, tmp_path):
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    rebuilt.hear([*live.in_time, *live.late])
    rebuilt.close_again(archive)
    ((close_id,),) = rebuilt.rows("SELECT close_id FROM closed_periods")
    stood = rebuilt.transactions.run(lambda uow: uow.periods.get(close_id), name="test")
    other = dataclasses.replace(stood, decided_by="eve")
    with pytest.raises(Rejected, match="in the books already"):
        rebuilt.transactions.run(lambda uow: restore_close(other, uow), name="test")
    alone = dataclasses.replace(stood, close_id="cls_other", decided_by=stood.proposed_by)
    with pytest.raises(Rejected, match="propose"):
        rebuilt.transactions.run(lambda uow: restore_close(alone, uow), name="test")


def test_the_applications_role_says_neither_what_was_closed_nor_which_keys_were_used(rebuilt):
    for table, values in (
        ("told_closes", "'cls_1', '2024-07', '2024-08-01Z'"),
        ("former_seal_keys", "'aaaa'"),
    ):
        with (
            pytest.raises(Exception, match=f"permission denied for table {table}"),
            rebuilt.engine.begin() as sql,
        ):
            sql.exec_driver_sql(f"INSERT INTO {table} VALUES ({values})")


def test_the_key_of_the_old_books_seals_nothing_of_the_new_ones(live, rebuilt, tmp_path):
    old, new = new_key_pair(), new_key_pair()
    seal(live, HeadSigner(old[0]))
    with live.engine.connect() as connection:
        heads = stored_heads(connection, 0)
    with sealed_books(live.engine) as books:
        closes = [closed.signed for closed in books.closes()]
    archive = live.archive(tmp_path)
    rebuilt.restore(archive)
    rebuilt.hear([*live.in_time, *live.late])
    rebuilt.close_again(archive)
    former, own = HeadSigner(old[0]), HeadSigner(new[0])
    with pytest.raises(StartupRefused, match=f"key {former.key_id} signed the books"):
        refuse_former_key(rebuilt.engine, former.key_id)
    refuse_former_key(rebuilt.engine, own.key_id)
    with pytest.raises(IntegrityError, match="signed the books that these were rebuilt from"):
        seal(rebuilt, former)
    assert rebuilt.rows("SELECT count(*) FROM seal_heads") == [(0,)]
    seal(rebuilt, own)
    keys = [old[1], new[1]]
    with rebuilt.engine.connect() as connection:
        ours = stored_heads(connection, 0)
    assert found(rebuilt, heads=ours, keys=keys) is None
    of_heads = found(rebuilt, heads=[*ours, heads[-1]], keys=keys)
    of_closes = found(rebuilt, closes=closes, keys=keys)
    assert (of_heads.what, of_closes.what) == ("head_of_former_books", "close_of_former_books")
    assert former.key_id in of_heads.detail
    assert found(live, heads=heads, closes=closes, keys=keys) is None
