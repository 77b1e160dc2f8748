"""Events booked through the real unit of work: once per fact, reversed exactly, announced in the same transaction."""

from __future__ import annotations

import threading

import msgspec
import pytest

from services.ledger.tests import report
from services.ledger.tests.payloads import Payment
from shared.kernel.errors import Poison
from shared.runtime.metric_names import JOURNALS_POSTED
from shared.runtime.metrics import value_of

R = ("processor_receivable", "alpha:acct_alpha", "EUR")
FEE = ("fee_revenue", "platform", "EUR")


def of(family, payment):
    return (family, payment.merchant_id, "EUR")


def test_a_batch_is_booked_and_every_journal_is_announced(ledger):
    one, two = Payment(1), Payment(2, merchant=2)
    events = ledger.tell(one.captured(10_000, 300), two.captured(500), one.refund_requested(4_000))
    assert ledger.balances() == {
        R: 10_500,
        FEE: 300,
        of("merchant_pending", one): 9_700,
        of("merchant_pending", two): 500,
        of("merchant_available", one): -4_000,
        of("refunds_in_flight", one): 4_000,
    }
    announced = ledger.rows("SELECT key, cause_id, event_type, stream_version FROM outbox ORDER BY position")
    assert announced == [
        (one.payment_id, events[0].event_id, "JournalPosted.v1", 1),
        (two.payment_id, events[1].event_id, "JournalPosted.v1", 1),
        (one.payment_id, events[2].event_id, "JournalPosted.v1", 2),
    ]


def test_the_worked_example_up_to_the_settlement_files(ledger):
    payment = Payment(1)
    for event in (
        payment.captured(10_000, 300),
        payment.refund_requested(4_000),
        payment.refund_succeeded(4_000),
    ):
        ledger.tell(event)
    assert ledger.balances() == {
        R: 6_000,
        FEE: 300,
        of("merchant_pending", payment): 9_700,
        of("merchant_available", payment): -4_000,
    }
    assert ledger.reader.trial_balance().imbalance_minor == {"EUR": 0}


def test_a_second_event_about_one_fact_books_and_announces_nothing(ledger):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300))
    ledger.tell(payment.captured(10_000, 300), payment.captured(10_000, 300))
    assert ledger.rows("SELECT count(*) FROM journals") == [(1,)]
    assert ledger.rows("SELECT count(*) FROM outbox") == [(1,)]


@pytest.mark.parametrize("same_batch", [True, False])
def test_the_same_fact_with_other_money_is_poison(ledger, same_batch):
    payment = Payment(1)
    told = [payment.captured(10_000)] if same_batch else []
    if not same_batch:
        ledger.tell(payment.captured(10_000))
    with pytest.raises(Poison, match="booked already, with other money"):
        ledger.tell(*told, payment.captured(9_999))


#: One event each, and what a second event about its fact says otherwise with the amount it states unchanged.
OTHERWISE = {
    "fee of a capture": (Payment(1).captured(10_000, 300), {"fee_minor": 299}),
    "object of a capture": (Payment(1).captured(10_000, 300), {"object_id": "cap_other"}),
    "merchant of a capture": (Payment(1).captured(10_000, 300), {"merchant_id": Payment(1, 2).merchant_id}),
    "fee of what settled": (report.settled(Payment(1), 10_000, 300), {"fee_minor": 299}),
    "fee given back": (Payment(1).refund_requested(4_000, fee_returned_minor=120), {"fee_returned_minor": 0}),
    "fee of a dispute": (Payment(1).dispute_withdrawn(4_000, "r", fee_minor=1_500), {"fee_minor": 0}),
    "held part": (Payment(1).dispute_reinstated(4_000, 4_000, "r"), {"held_minor": 3_000}),
}


#: What has to stand before.
GROUNDS = {"fee of what settled": [Payment(1).captured(10_000, 300)]}


@pytest.mark.parametrize("same_batch", [True, False])
@pytest.mark.parametrize("what", OTHERWISE)
def test_the_same_fact_with_another_part_is_poison(ledger, what, same_batch):
    event, said_otherwise = OTHERWISE[what]
    grounds = GROUNDS.get(what, [])
    ledger.tell(*grounds)
    otherwise = msgspec.structs.replace(event, **said_otherwise)
    if not same_batch:
        ledger.tell(event)
        ledger.tell(event)
    with pytest.raises(Poison, match="booked already, with other money"):
        ledger.tell(*[event, event][: 2 * same_batch], otherwise)
    booked = len(grounds) + (0 if same_batch else 1)
    assert ledger.rows("SELECT count(*) FROM journals") == [(booked,)]


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_refund_that_fails_later_is_reversed_entry_by_entry(ledger, same_batch):
    payment = Payment(1)
    ledger.tell(payment.captured(10_000, 300))
    before = ledger.balances()
    story = [
        payment.refund_requested(4_000, fee_returned_minor=120),
        payment.refund_succeeded(4_000),
        payment.refund_failed(4_000, was_succeeded=True),
    ]
    for batch in [story] if same_batch else [[event] for event in story]:
        ledger.tell(*batch)
    assert ledger.balances() == before
    views = {view.rule: view for view in ledger.reader.journals_of_payment(payment.payment_id, None)}
    for rule in ("refund_requested", "refund_succeeded"):
        original, reversal = views[rule], views[f"{rule}_reversed"]
        assert reversal.reverses_journal_id == original.journal_id
        assert original.reversed_by_journal_id == reversal.journal_id
        assert [(e.family, e.amount_minor, e.clearing_key) for e in reversal.entries] == [
            (e.family, e.amount_minor, e.clearing_key) for e in original.entries
        ]


def test_doubt_is_booked_once_and_gone_when_resolved(ledger):
    payment = Payment(1)
    ledger.tell(payment.uncertain(700, "in"))
    ledger.tell(payment.uncertain(700, "in"))
    assert ledger.balances()["in_doubt_in", "alpha:acct_alpha", "EUR"] == 700
    ledger.tell(payment.uncertain(700, "in"), payment.resolved(700, "in"), payment.captured(700))
    assert ledger.balances() == {R: 700, of("merchant_pending", payment): 700}
    assert ledger.reader.open_items(family="in_doubt_in", limit=10) == []
    ledger.tell(payment.resolved(700, "in"))
    assert ledger.rows("SELECT count(*) FROM journals") == [(3,)]


def test_strays_wait_in_suspense_and_show_as_open_items(ledger):
    payment = Payment(1)
    ledger.tell(payment.stray_found(900), payment.return_requested(900), payment.return_failed(900))
    (item,) = ledger.reader.open_items(family="suspense", limit=10)
    assert (item.clearing_key, item.balance_minor) == (payment.id("str", 0), 900)
    ledger.tell(payment.stray_accepted(900))
    assert ledger.balances() == {}


def test_an_account_opened_by_a_transaction_that_rolled_back_is_not_remembered(ledger):
    payment = Payment(1)
    with pytest.raises(ConnectionError):
        ledger.tell(payment.captured(100), lose_after_flush=True)
    ledger.tell(payment.captured(100))
    ledger.tell(Payment(2).captured(50))
    assert ledger.balances() == {R: 150, of("merchant_pending", payment): 150}


def test_two_writers_open_the_same_accounts_without_deadlock_or_duplicates(ledger):
    payments = [Payment(number, merchant=number % 7) for number in range(200)]
    halves = [payments[0::2], payments[1::2]]
    threads = [
        threading.Thread(target=lambda half=half: [ledger.tell(p.captured(10)) for p in half])
        for half in halves
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.rows("SELECT count(*), count(DISTINCT (family, owner, currency)) FROM accounts") == [(8, 8)]
    assert ledger.balances()[R] == 2_000


def test_hostile_text_in_a_fact_key_is_stored_as_it_came(ledger):
    payment = Payment(1)
    hostile = payment.captured(100)
    hostile = msgspec.structs.replace(hostile, fact_key="alpha:a\\N\\t:'\";--:1")
    ledger.tell(hostile)
    assert ledger.rows("SELECT fact_key FROM journals") == [("alpha:a\\N\\t:'\";--:1",)]


def test_journals_are_counted_once_they_are_committed(ledger):
    payment = Payment(1)
    before = value_of(JOURNALS_POSTED, "capture")
    with pytest.raises(ConnectionError):
        ledger.tell(payment.captured(10_000, 300), lose_after_flush=True)
    assert value_of(JOURNALS_POSTED, "capture") == before
    ledger.tell(payment.captured(10_000, 300), payment.captured(500, 10, nth=1))
    assert value_of(JOURNALS_POSTED, "capture") == before + 2
