"""Nobody puts a journal into the past: the application is refused, and whoever takes the guard down is found by name."""

from __future__ import annotations

import psycopg
import pytest

from services.ledger.adapters.head_keys import HeadVerifier
from services.ledger.adapters.sealed_books import sealed_books
from services.ledger.adapters.sealing import Sealer
from services.ledger.app.verify_seals import verify_seals
from services.ledger.tests.db.tampering import superuser_of
from services.ledger.tests.payloads import Payment

pytestmark = pytest.mark.db
DRAW = "SELECT nextval('journal_positions')"
#: A journal like the first one, at these positions; it balances, and names a fact of its own.
JOURNALS = (
    "INSERT INTO journals SELECT at, 'jrn_x' || at, 'x', 'evt_x' || at, cause_event_type, 'x' || at, subject, payment_id,"
    " merchant_id, currency, amount_minor, from_party, to_party, NULL, entry_count, effective_at, now()"
    " FROM journals, unnest(%(at)s::bigint[]) AS at WHERE position = 1"
)
ENTRIES = (
    "INSERT INTO entries SELECT at, line, account_id, side, amount_minor, currency, clearing_key"
    " FROM entries, unnest(%(at)s::bigint[]) AS at WHERE journal_position = 1"
)


def put(connection, *positions):
    """Balanced journals at these positions; COMMIT is the caller's."""
    for statement in (JOURNALS, ENTRIES):
        connection.execute(statement, {"at": list(positions)})


def book(ledger, number):
    ledger.tell(Payment(number).captured(10_000 + number, 300))


def settled(ledger):
    return ledger.rows("SELECT settled_position FROM seal_shards")[0][0]


def draw(connection):
    return connection.execute(DRAW).fetchone()[0]


def finding(ledger):
    with sealed_books(ledger.engine) as books:
        return verify_seals(books, [], HeadVerifier([])).finding


@pytest.fixture
def gap(ledger, app_sql):
    """A position that was drawn and rolled back, between two that are sealed; the last one drawn is the next one."""
    book(ledger, 1)
    rolled_back = draw(app_sql)
    app_sql.rollback()
    book(ledger, 2)
    Sealer(ledger.transactions).turn()
    assert settled(ledger) == rolled_back + 1
    return rolled_back


PLACES = {
    "settled": lambda gap: [gap],
    "not drawn": lambda gap: [gap + 2],
    "one of many settled": lambda gap: [gap + 2, gap, gap + 3],
    "one of many not drawn": lambda gap: [gap + 2, gap + 3, gap + 4],
}


@pytest.mark.parametrize("place", PLACES)
def test_the_application_puts_no_journal_where_nothing_may_appear(ledger, app_sql, gap, place):
    at = PLACES[place](gap)
    for _ in at[1:]:
        draw(app_sql)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="does not stand ahead") as told:
        put(app_sql, *at)
    assert told.value.diag.constraint_name == "journals_ahead"
    app_sql.rollback()
    assert ledger.rows("SELECT count(*) FROM journals") == [(2,)]
    assert finding(ledger) is None


def test_what_it_has_drawn_it_may_book(ledger, app_sql, gap):
    put(app_sql, draw(app_sql), draw(app_sql))
    app_sql.commit()
    Sealer(ledger.transactions).turn()
    assert settled(ledger) == gap + 3
    assert finding(ledger) is None


def test_whoever_takes_the_guard_down_is_found_by_name(ledger, gap, ledger_urls, postgres_admin_url):
    with superuser_of(ledger_urls, postgres_admin_url) as superuser:
        superuser.execute("ALTER TABLE journals DISABLE TRIGGER journals_ahead")
        with superuser.transaction():
            put(superuser, gap)
    found = finding(ledger)
    assert (found.what, found.journal_position, found.journal) == ("journal_inserted", gap, f"jrn_x{gap}")


def test_a_journal_at_a_position_that_somebody_else_drew_is_awaited_and_sealed(ledger, app_sql):
    """It is refused once that is settled, and until then the settled position does not pass it, however slow it is."""
    book(ledger, 1)
    rolled_back = draw(app_sql)
    app_sql.rollback()
    book(ledger, 2)
    put(app_sql, rolled_back)
    sealer = Sealer(ledger.transactions)
    for number in (3, 4):
        sealer.turn()
        book(ledger, number)
    sealer.turn()
    assert settled(ledger) < rolled_back
    app_sql.commit()
    sealer.turn()
    assert finding(ledger) is None
    assert ledger.rows("SELECT count(*) FROM seals") == [(5,)]
    assert settled(ledger) == rolled_back + 3


SETTLE = "UPDATE seal_shards SET settled_position = %(to)s"
HASTE = {
    "over a journal without a seal": (SETTLE, "has no seal"),
    "beyond what is drawn": (SETTLE.replace("%(to)s", "%(to)s + 1"), "nobody has drawn"),
    "in a shard of its own": ("INSERT INTO seal_shards VALUES (7, %(to)s)", "begins with nothing settled"),
}


@pytest.mark.parametrize("how", HASTE)
def test_the_application_settles_nothing_that_is_not_sealed(ledger, app_sql, gap, how):
    """Else the sealer never looks there, and nothing that rests on what is settled has the journal."""
    statement, why = HASTE[how]
    book(ledger, 3)
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=why) as told:
        app_sql.execute(statement, {"to": gap + 2})
    assert told.value.diag.constraint_name == "settled_sealed"
    app_sql.rollback()
    Sealer(ledger.transactions).turn()
    assert settled(ledger) == gap + 2
    assert finding(ledger) is None


def test_what_was_rolled_back_and_what_is_sealed_may_be_settled(ledger, app_sql, gap):
    book(ledger, 3)
    draw(app_sql)
    app_sql.rollback()
    Sealer(ledger.transactions).turn()
    assert settled(ledger) == gap + 3
    app_sql.execute(SETTLE, {"to": gap + 3})
    app_sql.commit()
