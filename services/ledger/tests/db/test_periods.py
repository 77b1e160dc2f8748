"""Closed months on a real database: nothing takes effect in them any more, and what comes late keeps both its dates."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.ledger.adapters.head_keys import HeadSigner, HeadVerifier
from services.ledger.adapters.statements import SqlStatements
from services.ledger.app.close_period import approve_close, reject_close
from services.ledger.app.moments import TimeKind
from services.ledger.app.statements import DrawUpStatement, draw_up_statement
from services.ledger.domain.chart import AccountRef
from services.ledger.domain.closes import SignedClose
from services.ledger.tests import report
from services.ledger.tests.db.adjusting import ADA, BOB, MERCHANT, approve, book, propose
from services.ledger.tests.db.closing import (
    At,
    approve_closing,
    close,
    propose_closing,
    seal,
    waits_for_turn,
)
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Rejected
from shared.runtime.operator_tokens import new_key_pair
from shared.testing.waiting import eventually

pytestmark = pytest.mark.db
JULY, AUGUST = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC)
FIRST_OF_AUGUST, FIRST_OF_SEPTEMBER = datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)
LATE = "SELECT j.rule, j.effective_at, l.told_effective_at FROM journals j LEFT JOIN late_journals l ON l.journal_position = j.position ORDER BY j.position"


def refused(code, call, *arguments, **named):
    with pytest.raises(Rejected) as told:
        call(*arguments, **named)
    assert told.value.code == code
    return told.value


def test_a_month_is_closed_by_two_people_in_order_and_for_good(ledger):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    seal(ledger)
    close_id = propose_closing(ledger, "2024-07")
    refused("period_proposed_already", propose_closing, ledger, "2024-07")
    refused("four_eyes", approve_closing, ledger, close_id, ADA)
    assert ledger.rows("SELECT count(*) FROM closed_periods") == [(0,)]
    assert approve_closing(ledger, close_id).state == "APPROVED"
    ((position, sealed_hash),) = ledger.rows("SELECT position, encode(hash, 'hex') FROM seals")
    assert ledger.rows("SELECT period, close_id, ends_at, position, hash FROM closed_periods") == [
        ("2024-07", close_id, FIRST_OF_AUGUST, position, sealed_hash)
    ]
    refused("period_close_wrong_state", approve_closing, ledger, close_id)
    refused("period_closed", propose_closing, ledger, "2024-07")
    refused("period_closed", propose_closing, ledger, "2024-06")
    assert refused("period_out_of_order", propose_closing, ledger, "2024-09").extra == {"next": "2024-08"}
    close(ledger, "2024-08")
    acts = ledger.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'action' FROM outbox"
        f" WHERE event_type = 'OperatorActed.v1' AND key = '{close_id}' ORDER BY position"
    )
    assert acts == [("period_close_proposed",), ("period_closed",)]


def test_a_month_that_is_not_over_is_not_closed(ledger):
    refused("period_not_over", propose_closing, At(ledger, JULY), "2024-07")
    refused("period_invalid", propose_closing, ledger, "2024-7")


def test_a_rejected_close_closes_nothing_and_may_be_proposed_anew(ledger):
    close_id = propose_closing(ledger, "2024-07")
    ledger.transactions.run(lambda uow: reject_close(close_id, "not yet", ADA, uow), name="test")
    refused("period_close_wrong_state", approve_closing, ledger, close_id)
    close(ledger, "2024-07")


def test_a_late_fact_takes_effect_in_the_first_open_month_and_keeps_both_dates(ledger):
    payment = Payment(1)
    close(ledger, "2024-07")
    ledger.tell(payment.captured(10_000, 300), time=JULY)
    ledger.tell(payment.refund_requested(4_000), time=AUGUST)
    assert ledger.rows(LATE) == [
        ("capture", FIRST_OF_AUGUST, JULY),
        ("refund_requested", AUGUST, None),
    ]
    announced = [
        (fields["effective_at"], fields.get("told_effective_at"))
        for (payload,) in ledger.rows(
            "SELECT payload FROM outbox WHERE event_type = 'JournalPosted.v1' ORDER BY position"
        )
        for fields in [json.loads(bytes(payload))]
    ]
    assert announced == [("2024-08-01T00:00:00Z", "2024-07-15T00:00:00Z"), ("2024-08-15T00:00:00Z", None)]


def test_what_is_late_is_found_as_such_in_every_read(ledger):
    payment = Payment(1)
    close(ledger, "2024-07")
    ledger.tell(payment.captured(10_000, 300), time=JULY)
    seal(ledger)
    (journal,) = ledger.reader.journals_of_payment(payment.payment_id, None)
    assert (journal.effective_at, journal.told_effective_at) == (FIRST_OF_AUGUST, JULY)
    entries = ledger.reader.entries_of_payment(payment.payment_id, None, after=(0, 0), limit=10)
    assert {entry.told_effective_at for entry in entries} == {JULY}
    statement = draw_up_statement(
        DrawUpStatement(
            account=AccountRef("merchant_pending", payment.merchant_id, "EUR"),
            since=FIRST_OF_AUGUST,
            until=FIRST_OF_SEPTEMBER,
            by=TimeKind.EFFECTIVE,
        ),
        SqlStatements(ledger.engine),
    )
    assert [(movement.at, movement.told_effective_at) for movement in statement.movements] == [
        (FIRST_OF_AUGUST, JULY)
    ]


def test_a_reversal_that_crosses_a_close_leaves_the_closed_month_as_it_was(ledger):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300), payment.refund_requested(4_000), time=JULY)
    ledger.tell(payment.stray_found(700), time=JULY)
    close(ledger, "2024-07")
    ledger.tell(payment.refund_failed(4_000), payment.stray_accepted(700), time=JULY)
    booked = {rule: (at, told) for rule, at, told in ledger.rows(LATE)}
    assert booked["refund_requested_reversed"] == (FIRST_OF_AUGUST, JULY)
    # From the start, so as of when the stray was: but July had it, and keeps it.
    assert booked["stray_found_reversed"] == (FIRST_OF_AUGUST, JULY)


@pytest.mark.parametrize("together", [True, False])
def test_late_facts_and_their_reversals_are_booked_the_same_in_any_batches(ledger, together):
    payment = Payment(1)
    close(ledger, "2024-07")
    facts = [payment.stray_found(700), payment.stray_accepted(700)]
    if together:
        ledger.tell(*facts, time=JULY)
    else:
        ledger.tell(facts[0], time=JULY)
        ledger.tell(facts[1], time=AUGUST)
    reversal = ledger.rows(LATE)[1]
    assert reversal == ("stray_found_reversed", FIRST_OF_AUGUST, JULY)


def test_what_becomes_available_in_an_open_month_is_not_late(ledger):
    payment = Payment(1)
    close(ledger, "2024-07")
    ledger.tell(payment.captured(10_000, 300), time=JULY)
    ledger.tell(report.settled(payment, 10_000, 300))
    assert ledger.rows(LATE)[1][2] is None


def test_a_fact_told_again_after_its_month_was_closed_is_booked_once(ledger):
    events = [Payment(1).captured(10_000, 300)]
    ledger.tell(*events, time=JULY)
    close(ledger, "2024-07")
    ledger.tell(*events, time=JULY)
    assert ledger.rows(LATE) == [("capture", JULY, None)]


def test_an_adjustment_by_a_clock_in_a_closed_month_is_refused(ledger):
    close(ledger, "2024-07")
    adjustment_id = propose(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    told = refused("period_closed", approve, At(ledger, JULY), adjustment_id)
    assert told.extra == {"opens_at": "2024-08-01T00:00:00+00:00"}
    assert ledger.balances() == {}
    approve(ledger, adjustment_id)


def test_a_close_waits_for_what_is_being_posted_and_sees_it(ledger):
    close_id = propose_closing(ledger, "2024-07")
    with ThreadPoolExecutor(1) as threads:

        def work(uow):
            tell_in(uow, Payment(1).captured(10_000, 300))
            uow.flush()
            closing = threads.submit(approve_closing, ledger, close_id)
            eventually(lambda: waits_for_turn(ledger) or closing.done(), describe="the close that waits")
            return closing

        tell_in = in_transaction(ledger, JULY)
        closing = ledger.transactions.run(work, name="test")
        assert closing.result(timeout=30).state == "APPROVED"
    assert ledger.rows(LATE) == [("capture", JULY, None)]
    assert ledger.rows("SELECT position FROM closed_periods") == [(1,)]


def test_what_is_posted_while_a_month_is_closed_waits_and_is_late(ledger):
    close_id = propose_closing(ledger, "2024-07")
    with ThreadPoolExecutor(1) as threads:

        def work(uow):
            approve_close(close_id, "seen", BOB, uow)
            posting = threads.submit(ledger.tell, Payment(1).captured(10_000, 300), time=JULY)
            eventually(lambda: waits_for_turn(ledger) or posting.done(), describe="the posting that waits")
            return posting

        ledger.transactions.run(work, name="test").result(timeout=30)
    assert ledger.rows(LATE) == [("capture", FIRST_OF_AUGUST, JULY)]


def test_a_close_does_not_hold_posting_back_for_a_transaction_that_stays_open(ledger, app_sql):
    close_id = propose_closing(ledger, "2024-07")
    app_sql.execute("SELECT first_open_at()")
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(approve_closing, ledger, close_id)
        eventually(lambda: waits_for_turn(ledger) or closing.done(), describe="the close that waits")
        ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
        refused("period_busy", closing.result, timeout=30)
    assert ledger.rows(LATE) == [("capture", JULY, None)]
    app_sql.rollback()
    seal(ledger)
    approve_closing(ledger, close_id)


def in_transaction(ledger, time):
    """Adds one capture's journal to a unit of work, as the consumer does, without ending it."""
    from msgspec.structs import replace

    from services.ledger.app.post_event import post_event
    from services.ledger.tests.db.conftest import Told

    def tell(uow, payload):
        event = Told(ledger.ids.new("evt_"), "PaymentCaptured", replace(payload, effective_at=time))
        post_event(event, uow)

    return tell


def test_plain_sql_is_refused_what_python_refuses(ledger, app_sql):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    seal(ledger)
    waiting = propose_closing(ledger, "2024-08")
    ledger.transactions.run(lambda uow: reject_close(waiting, "no", ADA, uow), name="test")
    close(ledger, "2024-07")
    waiting = propose_closing(ledger, "2024-08")

    def fails(statement, error, match):
        with pytest.raises(error, match=match), app_sql.transaction():
            app_sql.execute(statement)

    journal = (
        "INSERT INTO journals (position, journal_id, rule, cause_event_id, cause_event_type, fact_key, subject,"
        " currency, amount_minor, entry_count, effective_at) VALUES (nextval('journal_positions'), 'jrn_f', 'r', 'evt_f',"
        " 'T.v1', 'f', 'f', 'EUR', 5, 2, '{at}')"
    )
    broken = psycopg.errors.IntegrityConstraintViolation
    fails(journal.format(at="2024-07-31T23:59:59.999999Z"), broken, "everything before .* is closed")
    fails("INSERT INTO late_journals VALUES (1, '2024-06-01Z')", broken, "is not late")
    month = (
        "INSERT INTO closed_periods SELECT '{period}', '{close}', '{starts}', '{ends}', 0, {position}, {hash}, now()"
        " FROM seals"
    )
    august = {
        "period": "2024-08", "close": waiting, "starts": "2024-08-01Z", "ends": "2024-09-01Z", "position": 1,
        "hash": "encode(hash, 'hex')",
    }  # fmt: skip
    fails(month.format(**august), broken, "not both approved and closed")
    fails(month.format(**{**august, "hash": "repeat('0', 64)"}), broken, "says something else")
    september = {**august, "period": "2024-09", "starts": "2024-09-01Z", "ends": "2024-10-01Z"}
    fails(month.format(**september), broken, "first open month")
    # By a clock that is ahead everything fits; the database has its own.
    far = {**august, "period": "2999-01", "starts": "2999-01-01Z", "ends": "2999-02-01Z"}
    fails(month.format(**far).replace("now()", "'2999-03-01Z'"), broken, "is not over")
    fails(
        month.format(**{**august, "ends": "2024-09-02Z"}),
        psycopg.errors.CheckViolation,
        "closed_periods_month",
    )
    decide = (
        "UPDATE period_closes SET state = 'APPROVED', decided_by = '{by}', decided_at = now(), decision_reason = 'r'"
        f" WHERE close_id = '{waiting}'"
    )
    fails(decide.format(by="ada"), psycopg.errors.CheckViolation, "period_closes_four_eyes")
    fails(decide.format(by="bob"), broken, "not both approved and closed")
    fails(
        "UPDATE period_closes SET state = 'REJECTED' WHERE state = 'APPROVED'",
        psycopg.errors.CheckViolation,
        "once",
    )
    for table in ("closed_periods", "late_journals", "close_signatures", "period_closes"):
        fails(f"DELETE FROM {table}", psycopg.errors.InsufficientPrivilege, "denied")
    fails("UPDATE closed_periods SET ends_at = now()", psycopg.errors.InsufficientPrivilege, "denied")


def test_the_database_keeps_a_month_with_unsealed_journals_open_by_itself(ledger, monkeypatch):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    close_id = propose_closing(ledger, "2024-07")
    end = "services.ledger.adapters.periods.StoredPeriods.chain_end"
    from services.ledger.app.period_ports import ChainEnd

    blind = ChainEnd(shard=0, position=0, hash="0" * 64, unsealed=0)
    monkeypatch.setattr(end, lambda *_: blind)
    with pytest.raises(Exception, match="not everything in it is sealed"):
        approve_closing(ledger, close_id)
    seal(ledger)
    with pytest.raises(Exception, match="not everything in it is sealed"):
        approve_closing(ledger, close_id)


def test_a_close_is_signed_and_published_by_the_sealer_once(ledger):
    private, public = new_key_pair()
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    close(ledger, "2024-07")
    seal(ledger)
    assert ledger.rows("SELECT count(*) FROM close_signatures") == [(0,)]
    for _ in range(2):
        seal(ledger, HeadSigner(private))
    ((key, payload),) = ledger.rows(
        "SELECT key, payload FROM outbox WHERE event_type = 'LedgerPeriodClosed.v1'"
    )
    published = SignedClose.read(json.loads(bytes(payload)))
    assert (key, published.period, published.position) == ("periods", "2024-07", 1)
    assert HeadVerifier([public]).is_genuine_close(published)
    changed = SignedClose.read({**published.fields(), "position": 2})
    assert not HeadVerifier([public]).is_genuine_close(changed)
    assert not HeadVerifier([new_key_pair()[1]]).is_genuine_close(published)


def test_adjustments_go_on_after_a_close(ledger):
    close(ledger, "2024-07")
    book(ledger, "merchant_credit", 500, merchant_id=MERCHANT)
    assert ledger.rows(LATE)[0][1] > datetime.now(UTC) - timedelta(hours=1)
