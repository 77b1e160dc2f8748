"""The ledger behind the real consumer: from records of payment.events to journals, offsets and dead letters."""

from __future__ import annotations

from services.ledger.tests.payloads import Payment


def test_payment_events_become_journals_in_the_transaction_that_claims_them(ledger, stream):
    payment = Payment(1)
    stream.publish(payment.uncertain(10_000, "none"), payment.captured(10_000, 300))
    stream.drain()
    assert [v.rule for v in ledger.reader.journals_of_payment(payment.payment_id, None)] == ["capture"]
    assert ledger.rows("SELECT outcome, count(*) FROM inbox GROUP BY outcome") == [("applied", 2)]


def test_records_delivered_again_change_nothing(ledger, stream):
    payments = [Payment(number) for number in range(20)]
    for payment in payments:
        stream.publish(payment.captured(1_000), payment.refund_requested(400), payment.refund_succeeded(400))
    stream.drain()
    balances = ledger.balances()
    journals = ledger.rows("SELECT count(*) FROM journals")
    for row in stream.sent:
        stream.send(row)
    stream.drain()
    assert (ledger.balances(), ledger.rows("SELECT count(*) FROM journals")) == (balances, journals)
    assert journals == [(60,)]


def test_a_contradiction_parks_its_payment_and_no_other(ledger, stream):
    odd, even = Payment(1), Payment(2)
    stream.publish(odd.captured(1_000), odd.captured(999), odd.refund_requested(5), even.captured(70))
    stream.drain()
    assert ledger.rows("SELECT key, reason FROM parked_keys") == [(odd.payment_id, "poison")]
    assert ledger.balances()["processor_receivable", "alpha:acct_alpha", "EUR"] == 1_070
    assert ledger.rows("SELECT event_type FROM outbox WHERE topic LIKE '%dlq%'") == [("DeadLettered.v1",)]
    assert ledger.reader.trial_balance().balanced
