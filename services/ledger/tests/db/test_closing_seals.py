"""A close seals what of its month is left to be sealed: neither late facts nor another sealer put it off for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from services.ledger.app.seal_journals import seal_the_rest
from services.ledger.tests.db.closing import approve_closing, close, propose_closing, seal
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.db
JULY, AUGUST = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC)


def refused(code, call, *arguments):
    with pytest.raises(Rejected) as told:
        call(*arguments)
    assert told.value.code == code
    return told.value


def test_a_close_seals_what_is_left_of_its_month_in_the_order_of_booking(ledger):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    seal(ledger)
    ledger.tell(Payment(2).captured(10_000, 300), time=AUGUST)
    ledger.tell(Payment(3).captured(10_000, 300), time=JULY)
    close(ledger, "2024-07", sealed=False)
    assert ledger.rows("SELECT position, journal_position FROM seals ORDER BY 1") == [(1, 1), (2, 2), (3, 3)]
    assert ledger.rows("SELECT position FROM closed_periods") == [(3,)]
    ledger.tell(Payment(4).captured(10_000, 300), time=AUGUST)
    seal(ledger)
    assert ledger.rows("SELECT max(position) FROM seals") == [(4,)]


def test_late_facts_without_an_end_put_no_close_off(ledger):
    """One of the month is booked right before each approval, and nobody else ever seals."""
    booked = []

    def one_more():
        booked.append(None)
        ledger.tell(Payment(len(booked)).captured(10_000, 300), time=JULY)

    with ThreadPoolExecutor(1) as threads:
        closed = threading.Event()
        one_more()

        def keep_on():
            while not closed.is_set():
                one_more()

        posting = threads.submit(keep_on)
        try:
            close(ledger, "2024-07", sealed=False)
        finally:
            closed.set()
        posting.result(timeout=30)
    ((position,),) = ledger.rows("SELECT position FROM closed_periods")
    assert 1 <= position <= len(booked)
    of_july, late = ledger.rows(
        "SELECT count(*) FILTER (WHERE effective_at < '2024-08-01Z'),"
        " count(*) FILTER (WHERE effective_at = '2024-08-01Z') FROM journals"
    )[0]
    assert (of_july, late) == (position, len(booked) - position)


def test_a_close_leaves_more_than_one_transaction_takes_on_to_the_sealer(ledger, monkeypatch):
    monkeypatch.setitem(seal_the_rest.__kwdefaults__, "limit", 1)
    for number in (1, 2, 3):
        ledger.tell(Payment(number).captured(10_000, 300), time=JULY)
    close_id = propose_closing(ledger, "2024-07")
    assert refused("period_not_sealed", approve_closing, ledger, close_id).extra == {"unsealed": 2}
    assert ledger.rows("SELECT count(*) FROM seals") == [(0,)]
    seal(ledger)
    approve_closing(ledger, close_id)


def test_a_close_waits_for_a_sealer_at_work_and_not_for_long(ledger, app_sql):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    seal(ledger)
    ledger.tell(Payment(2).captured(10_000, 300), time=JULY)
    close_id = propose_closing(ledger, "2024-07")
    app_sql.execute("SELECT settled_position FROM seal_shards FOR UPDATE")
    refused("period_busy", approve_closing, ledger, close_id)
    app_sql.rollback()
    approve_closing(ledger, close_id)
    assert ledger.rows("SELECT position FROM closed_periods") == [(2,)]
