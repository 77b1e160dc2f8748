"""Events that state money that nobody may state: parked with a stable code, nothing booked, and the consumer goes on."""

from __future__ import annotations

import msgspec
import pytest

from schemas.catalogue import Encoded, encode
from services.ledger.tests import report
from services.ledger.tests.payloads import Payment

TOPIC = "payment.events"
AMOUNTS = (0, -1, -10_000)
TOLD = (
    lambda payment: payment.captured(10_000),
    lambda payment: payment.refund_requested(10_000),
    lambda payment: payment.refund_succeeded(10_000),
    lambda payment: payment.refund_failed(10_000),
    lambda payment: payment.refund_adopted(10_000),
    lambda payment: payment.stray_found(10_000),
    lambda payment: payment.stray_accepted(10_000),
    lambda payment: payment.return_requested(10_000),
    lambda payment: payment.return_succeeded(10_000),
    lambda payment: payment.return_failed(10_000),
    lambda payment: payment.refund_stray_found(10_000),
    lambda payment: payment.refund_stray_failed(10_000),
    lambda payment: payment.dispute_withdrawn(10_000, "row"),
    lambda payment: payment.dispute_reinstated(10_000, 0, "row"),
    lambda payment: payment.dispute_written_off(10_000, "row"),
    lambda payment: payment.write_off_reversed(10_000, "row"),
    lambda payment: payment.reversal_received(10_000, "row"),
    lambda payment: payment.reversal_given_back(10_000, "row"),
)


def bent(data, *, topic=TOPIC, **changes):
    """An event as somebody would write it who minds no contract."""
    encoded = encode(topic, data)
    payload = msgspec.json.encode(msgspec.json.decode(encoded.payload) | changes)
    return Encoded(event_type=encoded.event_type, data_schema=encoded.data_schema, payload=payload)


def parked(ledger):
    return ledger.rows("SELECT key, reason, split_part(detail, ':', 1) FROM parked_keys ORDER BY key")


def test_what_moves_nothing_or_the_other_way_is_parked_and_books_nothing(ledger, stream):
    even = Payment(1_000)
    wrong = [(told, amount) for told in TOLD for amount in AMOUNTS]
    for number, (told, amount) in enumerate(wrong):
        odd = Payment(number)
        stream.publish_bytes(TOPIC, odd.payment_id, bent(told(odd), amount_minor=amount))
    stream.publish(even.captured(70))
    stream.drain()
    assert parked(ledger) == [
        (Payment(number).payment_id, "poison", "amount_not_positive") for number in range(len(wrong))
    ]
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]


@pytest.mark.parametrize("currency", ["euro", "eur", "EURO", "ABC", "XAU", ""])
def test_a_currency_that_nobody_can_count_parks_its_payment_and_no_other(ledger, stream, currency):
    odd, even = Payment(1), Payment(2)
    stream.publish_bytes(TOPIC, odd.payment_id, bent(odd.captured(10_000), currency=currency))
    stream.publish(odd.refund_requested(5), even.captured(70))
    stream.drain()
    assert parked(ledger) == [(odd.payment_id, "poison", "currency_unknown")]
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]
    assert ledger.rows("SELECT event_type FROM outbox WHERE topic LIKE '%dlq%'") == [("DeadLettered.v1",)]


def test_an_amount_beyond_what_can_be_stored_parks_its_payment_and_no_other(ledger, stream):
    odd, even = Payment(1), Payment(2)
    stream.publish_bytes(TOPIC, odd.payment_id, bent(odd.captured(10_000), amount_minor=2**63))
    stream.publish(even.captured(70))
    stream.drain()
    assert parked(ledger) == [(odd.payment_id, "poison", "amount_too_large")]
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]


UNSTORABLE = {
    "a merchant without a name": ({"merchant_id": ""}, "database_refused"),
    "NUL in a merchant": ({"merchant_id": "mer_\0"}, "text_not_storable"),
    "NUL in an object": ({"object_id": "a\0b"}, "text_not_storable"),
}


@pytest.mark.parametrize("what", UNSTORABLE)
def test_what_the_books_cannot_store_parks_its_payment_and_no_other(ledger, stream, what):
    changes, code = UNSTORABLE[what]
    odd, even = Payment(1), Payment(2)
    stream.publish_bytes(TOPIC, odd.payment_id, bent(odd.captured(10_000), **changes))
    stream.publish(odd.refund_requested(5), even.captured(70))
    stream.drain()
    assert parked(ledger) == [(odd.payment_id, "poison", code)]
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]
    assert ledger.rows("SELECT event_type FROM outbox WHERE topic LIKE '%dlq%'") == [("DeadLettered.v1",)]


#: What readers let pass, and the contract of the ledger's own announcement does not.
UNTOLD = {
    "a merchant by another name": {"merchant_id": "shop 7"},
    "a fact key with a space": {"fact_key": "alpha acct cap"},
    "a time that is not in UTC": {"effective_at": "2026-11-22T13:00:00+01:00"},
    "a time before the year 1": {"effective_at": "0001-01-01T00:00:00+01:00"},
    "a time behind the year 9999": {"effective_at": "9999-12-31T23:59:59-01:00"},
}


@pytest.mark.parametrize("what", UNTOLD)
def test_what_could_not_be_announced_parks_its_payment_and_no_other(ledger, stream, what):
    odd, even = Payment(1), Payment(2)
    stream.publish_bytes(TOPIC, odd.payment_id, bent(odd.captured(10_000), **UNTOLD[what]))
    stream.publish(odd.refund_requested(5), even.captured(70))
    stream.drain()
    assert parked(ledger) == [(odd.payment_id, "poison", "contract_violated")]
    (told,) = ledger.rows("SELECT detail FROM parked_keys")[0]
    assert next(iter(UNTOLD[what])) in told
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]


TAKEN_FROM_A_STRAY = {
    "dispute": lambda payment: payment.dispute_withdrawn(500, "row"),
    "reinstatement": lambda payment: payment.dispute_reinstated(500, 0, "row"),
    "reversal": lambda payment: payment.reversal_received(500, "row"),
    "reversal given back": lambda payment: payment.reversal_given_back(500, "row"),
}


@pytest.mark.parametrize("what", TAKEN_FROM_A_STRAY)
def test_money_of_a_stray_that_is_not_named_parks_its_payment_and_no_other(ledger, stream, what):
    """The contract lets a stray be left out: what is taken from a merchant has none."""
    odd, even = Payment(1), Payment(2)
    nobodys = bent(TAKEN_FROM_A_STRAY[what](odd), charged_to="suspense")
    stream.publish_bytes(TOPIC, odd.payment_id, nobodys)
    stream.publish(even.captured(70))
    stream.drain()
    assert ledger.rows(
        "SELECT key, split_part(detail, ':', 1), split_part(detail, ':', 2) FROM parked_keys"
    ) == [(odd.payment_id, "field_missing", " stray_id")]
    assert ledger.rows("SELECT payment_id, amount_minor FROM journals") == [(even.payment_id, 70)]


COMPLETED = {
    "refund": (Payment.refund_requested, Payment.refund_succeeded),
    "return of a stray": (Payment.return_requested, Payment.return_succeeded),
}
OTHERWISE = {
    "less": {"amount_minor": 3_999},
    "more": {"amount_minor": 4_001},
    "in another currency": {"currency": "USD"},
    "of another merchant": {"merchant_id": Payment(1, merchant=2).merchant_id},
}


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize("otherwise", OTHERWISE)
@pytest.mark.parametrize("what", COMPLETED)
def test_what_was_asked_for_is_completed_with_the_same_money_or_parked(
    ledger, stream, what, otherwise, same_batch
):
    """Else the difference would stand on refunds in flight for ever, under a key that nothing comes for again."""
    asked, done = COMPLETED[what]
    payment = Payment(1)
    stream.publish(payment.captured(10_000), payment.stray_found(4_000), asked(payment, 4_000))
    if not same_batch:
        stream.drain()
    stream.publish_bytes(TOPIC, payment.payment_id, bent(done(payment, 4_000), **OTHERWISE[otherwise]))
    stream.drain()
    assert parked(ledger) == [(payment.payment_id, "poison", "differs_from_request")]
    in_flight = ("refunds_in_flight", payment.merchant_id, "EUR")
    assert ledger.balances()[in_flight] == 4_000
    assert not [key for key in ledger.balances() if key[0] == "refunds_in_flight" and key != in_flight]


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize("failed", [False, True], ids=["never asked for", "failed before"])
@pytest.mark.parametrize("what", COMPLETED)
def test_what_was_not_asked_for_or_failed_does_not_succeed(ledger, stream, what, failed, same_batch):
    """It would leave on refunds in flight what nobody asked to return: a stream tells both in order."""
    asked, done = COMPLETED[what]
    came_to_nothing = {"refund": Payment.refund_failed, "return of a stray": Payment.return_failed}[what]
    odd, even = Payment(1), Payment(2)
    stream.publish(odd.captured(10_000), odd.stray_found(4_000))
    if failed:
        stream.publish(asked(odd, 4_000), came_to_nothing(odd, 4_000))
    if not same_batch:
        stream.drain()
    stream.publish(done(odd, 4_000), even.captured(70))
    stream.drain()
    assert parked(ledger) == [(odd.payment_id, "poison", "never_requested")]
    assert not [key for key in ledger.balances() if key[0] == "refunds_in_flight"]
    assert ledger.rows(f"SELECT count(*) FROM journals WHERE payment_id = '{even.payment_id}'") == [(1,)]


UNGROUNDED = {
    "of no dispute": lambda payment: [payment.dispute_written_off(1, "lost", 1)],
    "of more than is held": lambda payment: [payment.dispute_written_off(6_001, "lost")],
    "of what came back": lambda payment: [
        payment.dispute_reinstated(2_000, 2_000, "back"), payment.dispute_written_off(4_001, "lost"),
    ],
    "twice": lambda payment: [
        payment.dispute_written_off(6_000, "lost"), payment.dispute_written_off(1, "lost_again"),
    ],
    "taken back, and more than that": lambda payment: [
        payment.dispute_written_off(4_000, "lost"), payment.write_off_reversed(4_001, "not_lost"),
    ],
    "taken back twice": lambda payment: [
        payment.dispute_written_off(4_000, "lost"), payment.write_off_reversed(4_000, "not_lost"),
        payment.write_off_reversed(1, "not_lost_again"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize("loss", UNGROUNDED)
def test_a_loss_of_more_than_the_dispute_holds_is_parked(ledger, stream, loss, same_batch):
    """Else D and MH would keep a residue under a key that nothing comes for again."""
    payment = Payment(1)
    *before, wrong = UNGROUNDED[loss](payment)
    stream.publish(payment.captured(10_000), payment.dispute_withdrawn(6_000, "row"), *before)
    if not same_batch:
        stream.drain()
    stream.publish(wrong)
    stream.drain()
    assert parked(ledger) == [(payment.payment_id, "poison", "more_than_stands")]
    assert ledger.rows("SELECT count(*) FROM journals") == [(2 + len(before),)]
    held = {family: each for (family, *_), each in ledger.balances().items()}
    assert held.get("merchant_held", 0) == held.get("disputed", 0) >= 0


UNSETTLED = {
    "never captured": ("without_ground", {"object_id": "cap_other"}),
    "another amount": ("differs_from_ground", {"amount_minor": 9_999}),
    "another fee": ("differs_from_ground", {"fee_minor": 299}),
    "another currency": ("differs_from_ground", {"currency": "USD"}),
    "another merchant": ("differs_from_ground", {"merchant_id": Payment(1, merchant=2).merchant_id}),
}


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize("what", UNSETTLED)
def test_what_settles_is_a_capture_that_is_booked_with_the_same_money_or_parked(
    ledger, stream, what, same_batch
):
    """Else merchants' pending money would keep a residue, or come below zero, for ever."""
    code, said_otherwise = UNSETTLED[what]
    payment = Payment(1)
    stream.publish(payment.captured(10_000, 300))
    if not same_batch:
        stream.drain()
    settled = bent(report.settled(payment, 10_000, 300), **said_otherwise)
    stream.publish_bytes(TOPIC, payment.payment_id, settled)
    stream.drain()
    assert parked(ledger) == [(payment.payment_id, "poison", code)]
    assert ledger.rows("SELECT rule FROM journals") == [("capture",)]


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
def test_what_settles_rests_on_the_capture_of_its_own_processor(ledger, stream, same_batch):
    """Two processors may give two captures of one payment the same id."""
    payment = Payment(1)
    at_beta = {"processor": "beta", "account": "acct_beta"}
    stream.publish(payment.captured(10_000, 300))
    beta = bent(payment.captured(4_000), **at_beta, fact_key="beta:acct_beta:cap_1_0:succeeded:1")
    stream.publish_bytes(TOPIC, payment.payment_id, beta)
    if not same_batch:
        stream.drain()
    stream.publish(report.settled(payment, 10_000, 300))
    settled = bent(report.settled(payment, 4_000), **at_beta, fact_key="beta:acct_beta:cap_1_0:settled:1")
    stream.publish_bytes(TOPIC, payment.payment_id, settled)
    stream.drain()
    assert parked(ledger) == []
    assert ledger.balances()["merchant_available", payment.merchant_id, "EUR"] == 13_700
    nobodys = bent(report.settled(payment, 4_000, number=2), processor="gamma")
    stream.publish_bytes(TOPIC, payment.payment_id, nobodys)
    stream.drain()
    assert parked(ledger) == [(payment.payment_id, "poison", "without_ground")]


@pytest.mark.parametrize("same_batch", [True, False], ids=["in one batch", "later"])
@pytest.mark.parametrize("captures", [1, 2])
def test_what_settled_settles_again_only_after_it_was_taken_back(ledger, stream, captures, same_batch):
    """Else a merchant's pending money would come below zero, for ever, and as much would be available twice."""
    payment = Payment(1)
    stream.publish(*(payment.captured(10_000, 300, nth=nth) for nth in range(captures)))
    stream.publish(*(report.settled(payment, 10_000, 300, nth=nth) for nth in range(captures)))
    stream.publish(report.unsettled(payment, 10_000, 300), report.settled(payment, 10_000, 300, number=2))
    if not same_batch:
        stream.drain()
    stream.publish(report.settled(payment, 10_000, 300, number=3))
    stream.drain()
    assert parked(ledger) == [(payment.payment_id, "poison", "ground_taken")]
    assert ledger.balances()["merchant_available", payment.merchant_id, "EUR"] == captures * 9_700
    assert ("merchant_pending", payment.merchant_id, "EUR") not in ledger.balances()


@pytest.mark.parametrize("stated", [3_999, 4_000, 4_001])
def test_a_failure_takes_back_exactly_what_was_booked_whatever_it_states(ledger, stream, stated):
    payment = Payment(1)
    stream.publish(payment.captured(10_000))
    stream.drain()
    before = ledger.balances()
    stream.publish(
        payment.refund_requested(4_000), payment.refund_succeeded(4_000),
        payment.refund_failed(stated, was_succeeded=True), payment.stray_found(700),
        payment.return_requested(700), payment.return_failed(stated), payment.stray_accepted(stated),
        payment.uncertain(4_000, "in", 1), payment.resolved(stated, "in", 1),
    )  # fmt: skip
    stream.drain()
    assert (ledger.balances(), parked(ledger)) == (before, [])
